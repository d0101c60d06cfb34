/* user.c - the verbs of `cairn user` that need more than the monitors' table.
 *
 *   create NAME ACCESS, key add NAME ACCESS   the secret of a key made elsewhere is read from
 *                                             standard input: arguments are seen by everybody
 *   rm NAME                                   refused while the user owns buckets
 *
 * Who owns what is in the gateways' pools, of which the monitors know nothing.  A bucket made in
 * the very seconds of a removal stays, without a user; `rm --force` leaves all of them so. They are
 * served again to a user made later under the same name, which is why it takes a word. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/buckets.h"
#include "core/mon/mon_user.h"

/* ---- keys made elsewhere ---- */

static int secret_read(char out[MON_SECRET_MAX + 2])
{
    struct termios was, quiet;
    bool terminal = isatty(0) && tcgetattr(0, &was) == 0;
    char *got;

    if (terminal) {
        fputs("secret key: ", stderr);
        quiet = was;
        quiet.c_lflag &= (tcflag_t)~ECHO;
        (void)tcsetattr(0, TCSAFLUSH, &quiet); /* at worst it is seen */
    }
    got = fgets(out, MON_SECRET_MAX + 2, stdin);
    if (terminal) {
        (void)tcsetattr(0, TCSAFLUSH, &was);
        fputc('\n', stderr);
    }
    if (!got)
        return cli_fail("the secret key is read from standard input, which is empty");
    out[strcspn(out, "\r\n")] = 0;
    return 0;
}

static int key_given(struct cli *cli)
{
    char secret[MON_SECRET_MAX + 2];
    int rc = secret_read(secret);

    if (rc == 0)
        rc = cli_mon_command_with(cli, secret, strlen(secret));
    explicit_bzero(secret, sizeof(secret));
    return rc;
}

int cli_user_create(struct cli *cli)
{
    return cli->argc == 4 ? key_given(cli) : cli_mon_command(cli);
}

int cli_user_key(struct cli *cli)
{
    bool given = cli->argc == 5 && strcmp(cli->argv[2], "add") == 0;

    return given ? key_given(cli) : cli_mon_command(cli);
}

/* ---- rm ---- */

struct owned {
    uint32_t count;
    char first[S3_BUCKET_NAME_MAX + 1];
};

static int owned_count(void *arg, const char *name, uint64_t created_ns)
{
    struct owned *o = arg;

    (void)created_ns;
    if (o->count++ == 0)
        snprintf(o->first, sizeof(o->first), "%s", name);
    return 0;
}

static int owns_nothing(struct cli *cli, const char *user)
{
    struct cairn *c = cli_connect(cli);
    struct cairn_pool *index = NULL;
    struct owned o = {0};
    int rc;

    if (!c)
        return 1;
    rc = buckets_open(c, &index);
    if (rc == 0 && index && (rc = buckets_of(index, user, owned_count, &o)) < 0)
        rc = cli_fail("the buckets of %s cannot be read: %s", user, cli_error_text(rc));
    if (index)
        cairn_pool_close(index);
    cairn_shutdown(c);
    if (rc == 0 && o.count)
        rc = cli_fail("user %s owns %u bucket%s (%s%s); delete them first, or leave them without a "
                      "user by --force, or refuse the user by 'cairn user suspend'",
                      user, o.count, o.count == 1 ? "" : "s", o.first, o.count > 1 ? ", ..." : "");
    return rc;
}

int cli_user_rm(struct cli *cli)
{
    bool force = false;
    int rc;

    for (int i = 2; i < cli->argc; i++) {
        if (strcmp(cli->argv[i], "--force") != 0)
            continue;
        memmove(&cli->argv[i], &cli->argv[i + 1], (size_t)(cli->argc - i) * sizeof(*cli->argv));
        cli->argc--;
        force = true;
    }
    if (cli->argc != 3 || !mon_user_name_fine(cli->argv[2]))
        return cli_wrong(cli);
    rc = force ? 0 : owns_nothing(cli, cli->argv[2]);
    return rc ? rc : cli_mon_command(cli);
}
