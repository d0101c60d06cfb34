/* help.c - what `cairn --help`, `cairn VERB --help` and wrong usage say.
 *
 * Nobody needs a cluster to be told: what the monitors do stands in their table of commands, which
 * is part of this program; the verbs that are more than a message to them stand here. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "core/mon/mon_table.h"

static const char overview[] =
    "usage: cairn [--data DIR | --conf FILE] [--json] [--quiet] [--timeout SECONDS] VERB ...\n"
    "\n"
    "a cluster on this machine\n"
    "  up [--osds N] [--s3 ADDR:PORT] [--detach]   start it (made on first use), all roles in one "
    "process\n"
    "  down                                        stop it cleanly\n"
    "\n"
    "looking after it\n"
    "  status | health                             how it is; what to do about it\n"
    "  user create NAME [ACCESS] | list | info NAME | rm NAME [--force]\n"
    "                                              S3 users\n"
    "  user key ls NAME | add NAME [ACCESS] | rm NAME ACCESS\n"
    "                                              their keys; of one made elsewhere (ACCESS) "
    "the\n"
    "                                              secret is read from standard input\n"
    "  user suspend|enable NAME                    refuse a user's requests; take them again\n"
    "  user quota NAME [bytes N|none] [objects N|none]\n"
    "                                              what all its buckets may hold together\n"
    "  bucket ls [USER] | stat NAME                buckets; what is in one\n"
    "  bucket check [NAME] [--offline]             hold index and data against each other\n"
    "  bucket quota NAME [bytes N|none] [objects N|none]\n"
    "                                              what one may hold\n"
    "  usage [--user U] [--bucket B] [--from TIME] [--to TIME]\n"
    "                                              requests, bytes and byte-hours, for bills\n"
    "  pool ls | create NAME | rm NAME             pools\n"
    "  osd ls | stop N | start N | out N | in N    OSDs\n"
    "  osd fsck PATH                               prove a stopped OSD's store\n"
    "  crush show                                  the CRUSH map, as text\n"
    "  crush test --map FILE --rule N --num-rep R --min-x A --max-x B [--weight ID W]...\n"
    "\n"
    "objects\n"
    "  object put POOL NAME [FILE|-]               store (up to 128 MiB)\n"
    "  object get POOL NAME [FILE|-]\n"
    "  object stat POOL NAME | ls POOL | rm POOL NAME\n"
    "  object where POOL NAME                      PG, OSDs, and each copy as its OSD reads it\n"
    "\n"
    "The cluster is found by --conf, --data, CAIRN_CONF, or ./cairn-data.\n"
    "'cairn VERB --help' says more, 'cairn help' every command; see also cairn(1).\n";

static const struct row {
    const char *words, *args, *text;
} rows[] = {
    {"up", "[--data DIR] [--osds N] [--s3 ADDR:PORT] [--detach]",
     "start a cluster on DIR (./cairn-data), made on first use; --osds (3) only adds; --s3\n"
     "(127.0.0.1:7480) with port 0 takes a free one; --detach: in the background"},
    {"down", "[--data DIR]", "stop it cleanly"},
    {"object put", "POOL NAME [FILE|-]", "store standard input or a file, up to 128 MiB"},
    {"object get", "POOL NAME [FILE|-]", "fetch one version; a file is replaced when all is there"},
    {"object stat", "POOL NAME", "its size and version"},
    {"object ls", "POOL", "the names, in the order of their placement"},
    {"object rm", "POOL NAME", "remove it"},
    {"object where", "POOL NAME", "its PG and OSDs, and each copy as its OSD reads it now"},
    {"osd fsck", "PATH", "prove the store in a folder whose OSD is not running"},
    {"crush test", "--map FILE --rule N --num-rep R --min-x A --max-x B [--weight ID W]...",
     "what a map in the text form of Ceph's crushtool does, as crushtool prints it"},
    {"user rm", "NAME [--force]", "remove a user who owns no buckets; --force: in any case"},
    {"bucket ls", "[USER]", "all buckets, or those of a user: made when, whose, name"},
    {"bucket stat", "NAME",
     "owner, objects, bytes, parts of unfinished uploads, index, quota of a bucket"},
    {"bucket check", "[NAME] [--offline]",
     "hold index, data, intents and garbage against each other; --offline: of a stopped cluster"},
    {"bucket quota", "NAME [bytes N|none] [objects N|none]",
     "what a bucket may hold; without more words: show it; N may end in K, M, G or T\n"
     "(powers of 1024 for bytes, of 1000 for objects)"},
    {"usage", "[--user U] [--bucket B] [--from TIME] [--to TIME]",
     "what users and buckets used in the hours from TIME to TIME (2026-11-21 or 2026-11-21T13,\n"
     "UTC; this month until now): requests, bytes in and out, what was held and for how long"},
    {"help", "[VERB]", "every command, or those of a verb; with --json those of the monitors"},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* How many words of `words` argv begins with, if these are all of argv's first `n`; else 0. */
static bool begins(const char *words, int n, char *const *argv)
{
    for (int i = 0; i < n; i++) {
        size_t len = strcspn(words, " ");

        if (!len || strlen(argv[i]) != len || strncmp(argv[i], words, len) != 0)
            return false;
        words += len;
        words += *words == ' ';
    }
    return true;
}

static bool has_row(const char *words)
{
    for (int i = 0; i < ROWS; i++)
        if (strcmp(rows[i].words, words) == 0)
            return true;
    return false;
}

static void row_print(FILE *out, int *count, const char *words, const char *args, const char *text)
{
    fprintf(out, "%s cairn %s%s%s\n", (*count)++ ? "      " : "usage:", words, *args ? " " : "",
            args);
    while (*text) { /* each line of it */
        size_t len = strcspn(text, "\n");

        fprintf(out, "           %.*s\n", (int)len, text);
        text += len;
        text += *text == '\n';
    }
}

static void print_ours(FILE *out, int *count, int n, char *const *argv)
{
    for (int i = 0; i < ROWS; i++)
        if (begins(rows[i].words, n, argv))
            row_print(out, count, rows[i].words, rows[i].args, rows[i].text);
}

static void print_monitors(FILE *out, int *count, int n, char *const *argv)
{
    for (uint32_t i = 0; i < mon_commands_count; i++) {
        const struct mon_command_row *row = &mon_commands[i];

        if (begins(row->words, n, argv) && !has_row(row->words))
            row_print(out, count, row->words, row->args, row->help);
    }
}

/* All whose first `n` words are argv's: how many.  Of one verb `create` comes before `rm`. */
static int print_all(FILE *out, int n, char *const *argv)
{
    int count = 0;

    if (n == 0)
        print_ours(out, &count, n, argv);
    print_monitors(out, &count, n, argv);
    if (n > 0)
        print_ours(out, &count, n, argv);
    return count;
}

/* What fits most words of argv. */
static int print_near(FILE *out, int argc, char *const *argv)
{
    int count = 0;

    for (int n = argc < 3 ? argc : 3; n > 0 && !count; n--)
        count = print_all(out, n, argv);
    return count;
}

static int unknown(const char *verb)
{
    cli_fail("no such command: '%s'; 'cairn --help' lists them", verb);
    return 2;
}

int cli_help(struct cli *cli)
{
    if (cli->argc == 0)
        return fputs(overview, stdout) < 0;
    return print_near(stdout, cli->argc, cli->argv) ? 0 : unknown(cli->argv[0]);
}

int cli_help_verb(struct cli *cli)
{
    if (cli->argc == 1)
        return print_all(stdout, 0, NULL) == 0;
    return print_near(stdout, cli->argc - 1, cli->argv + 1) ? 0 : unknown(cli->argv[1]);
}

/* Is its second word none of those that go with the first? */
static bool second_unknown(const struct cli *cli)
{
    bool any = false;

    if (cli->argc < 2 || has_row(cli->argv[0]))
        return false;
    for (int i = 0; i < ROWS; i++) {
        any |= begins(rows[i].words, 1, cli->argv);
        if (begins(rows[i].words, 2, cli->argv))
            return false;
    }
    for (uint32_t i = 0; i < mon_commands_count; i++) {
        any |= begins(mon_commands[i].words, 1, cli->argv);
        if (begins(mon_commands[i].words, 2, cli->argv) ||
            strcmp(mon_commands[i].words, cli->argv[0]) == 0)
            return false;
    }
    return any;
}

int cli_wrong(struct cli *cli)
{
    if (second_unknown(cli))
        cli_fail("no such command: '%s %s'", cli->argv[0], cli->argv[1]);
    if (cli->argc == 0)
        fputs(overview, stderr);
    else if (!print_near(stderr, cli->argc, cli->argv))
        unknown(cli->argv[0]);
    return 2;
}
