/* up_files.c - the folder of `cairn up`: cairn.conf, lock, and the files that clients are given.
 *
 * Files are replaced whole (written aside, synced, renamed), secret ones with mode 0600.  The lock
 * is an flock that dies with the process and holds its pid, so a stale pid is never believed. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/up.h"

#include "core/base/base.h"
#include "core/base/cursor.h"
#include "core/env/env_real.h"
#include "core/env/file.h"

enum { CONF_BYTES_MAX = 1 << 20, LOCK_TRIES = 5, LOCK_PAUSE_US = 20000 };

static int path_in(const struct up *u, const char *name, char out[CLI_PATH_BYTES])
{
    return snprintf(out, CLI_PATH_BYTES, "%s/%s", u->folder, name) < CLI_PATH_BYTES ? 0
                                                                                    : -ENAMETOOLONG;
}

static bool file_holds(struct env *env, const char *path, const struct writer *text)
{
    AUTO(buf) old = {0};

    return file_read(env, path, CONF_BYTES_MAX, &old) == 0 && old.bytes == text->len &&
           (!text->len || memcmp(buf_contiguous(&old, 0, old.bytes), text->data, text->len) == 0);
}

/* On a full disk there is no room for a second file, but the old one has its blocks: these texts
 * are short and hardly differ from one start to the next. */
static int file_overwrite(const char *path, const struct writer *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC), rc = fd < 0 ? -ENOSPC : 0;

    if (rc == 0 && (pwrite(fd, text->data, text->len, 0) != (ssize_t)text->len ||
                    ftruncate(fd, (off_t)text->len) < 0 || fsync(fd) < 0))
        rc = -ENOSPC;
    if (fd >= 0)
        close(fd);
    return rc;
}

static int file_write(const struct up *u, const char *name, const struct writer *text,
                      unsigned mode, struct note *why)
{
    char path[CLI_PATH_BYTES];
    struct env *env = env_blocking_create(NULL);
    int rc = env ? text->rc : -ENOMEM;

    if (rc == 0)
        rc = path_in(u, name, path);
    if (rc == 0 && !file_holds(env, path, text)) {
        rc = file_replace(env, path, text->data, text->len, mode);
        if (rc == -ENOSPC)
            rc = file_overwrite(path, text);
    }
    if (env)
        env_blocking_destroy(env);
    if (rc < 0)
        note_set(why, "%s/%s: %s", u->folder, name, reason_text(rc));
    return rc;
}

static void text_add(struct writer *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void text_add(struct writer *w, const char *fmt, ...)
{
    char line[4096];
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    if (n > 0)
        wr_raw(w, line, MIN((size_t)n, sizeof(line) - 1));
}

/* ---- cairn.conf ---- */

static int fsid_make(char out[37])
{
    uint8_t b[16];

    if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
        return -EIO;
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* version 4, variant 1: RFC 4122 */
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
             b[14], b[15]);
    return 0;
}

/* What stands in the file beyond the lines that `cairn up` keeps itself: the user's own settings.
 */
static int conf_rest(const struct up *u, struct writer *out)
{
    static const char *const ours[] = {"fsid", "mons", "data"};
    char path[CLI_PATH_BYTES], line[1024];
    bool in_cluster = false, in_s3 = false;
    FILE *f;

    if (path_in(u, "cairn.conf", path) < 0 || !(f = fopen(path, "re")))
        return 0; /* the first time */
    while (fgets(line, sizeof(line), f)) {
        size_t key = strcspn(line, " \t=\n");
        bool skip = strncmp(line, "# Made by", 9) == 0;

        if (line[0] == '[') {
            in_cluster = strncmp(line, "[cluster]", 9) == 0;
            in_s3 = strncmp(line, "[s3]", 4) == 0;
            skip = in_cluster || in_s3;
        } else if (in_cluster) {
            for (size_t i = 0; i < ARRAY_LEN(ours); i++)
                skip = skip || (key == strlen(ours[i]) && strncmp(line, ours[i], key) == 0);
        } else if (in_s3) {
            skip = skip || (key == 4 && strncmp(line, "addr", 4) == 0);
        }
        if (skip)
            continue;
        if (in_cluster || in_s3) { /* kept under a heading of its own, below ours */
            if (key)
                text_add(out, "%s%s", in_cluster ? "[cluster]\n" : "[s3]\n", line);
        } else {
            text_add(out, "%s", line);
        }
    }
    fclose(f);
    return out->rc;
}

int up_conf_write(struct up *u, struct note *why)
{
    AUTO(writer) w = {0};
    AUTO(writer) rest = {0};

    if (conf_rest(u, &rest) < 0)
        return -ENOMEM;
    text_add(
        &w, "# Made by cairn up, which keeps these four lines; settings of your own may follow.\n");
    text_add(&w, "[cluster]\nfsid = %s\nmons = %s\ndata = %s\n", u->conf.cluster_fsid.s,
             u->conf.cluster_mons.s, u->folder);
    text_add(&w, "[s3]\naddr = %s\n", u->conf.s3_addr.s);
    wr_raw(&w, rest.data, rest.len);
    return file_write(u, "cairn.conf", &w, 0644, why);
}

static int conf_load(struct up *u, struct note *why)
{
    char path[CLI_PATH_BYTES];
    struct env *env = env_blocking_create(NULL);
    AUTO(buf) text = {0};
    int rc = env ? path_in(u, "cairn.conf", path) : -ENOMEM;

    config_defaults(&u->conf);
    if (rc == 0)
        rc = file_read(env, path, CONF_BYTES_MAX, &text);
    if (env)
        env_blocking_destroy(env);
    if (rc == -ENOENT) {
        if (up_store_there(u, "mon", 0, path)) { /* of another fsid than we would choose */
            note_set(why,
                     "%s holds a cluster, but its cairn.conf is gone: put it back, at least "
                     "its line 'fsid = ...'",
                     u->data);
            return rc;
        }
        u->fresh = true;
        snprintf(u->conf.cluster_data.s, sizeof(u->conf.cluster_data.s), "%s", u->folder);
        return fsid_make(u->conf.cluster_fsid.s);
    }
    if (rc < 0) {
        note_set(why, "%s: %s", path, reason_text(rc));
        return rc;
    }
    rc = config_parse(&u->conf, path, (const char *)buf_contiguous(&text, 0, text.bytes),
                      text.bytes, NULL, why);
    if (rc == 0 && !u->conf.cluster_fsid.s[0]) {
        note_set(why, "%s: names no fsid; it is not the file that cairn up made", path);
        rc = -EINVAL;
    }
    return rc;
}

/* ---- the folder ---- */

bool up_running(const char *data, long *out_pid)
{
    char path[CLI_PATH_BYTES], text[32] = "";
    bool running;
    int fd;

    snprintf(path, sizeof(path), "%s/lock", data);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    running = flock(fd, LOCK_SH | LOCK_NB) < 0;
    if (read(fd, text, sizeof(text) - 1) < 0)
        text[0] = 0;
    *out_pid = strtol(text, NULL, 10);
    close(fd);
    return running;
}

bool cli_cluster_stopped(const char *conf)
{
    char path[CLI_PATH_BYTES], lock[CLI_PATH_BYTES + 8];
    const char *folder;
    long pid;

    snprintf(path, sizeof(path), "%s", conf);
    folder = dirname(path);
    snprintf(lock, sizeof(lock), "%s/lock", folder);
    return access(lock, F_OK) == 0 && !up_running(folder, &pid);
}

static int folder_lock(struct up *u, struct note *why)
{
    char path[CLI_PATH_BYTES], pid[32];
    long other = 0;
    int n, rc;

    if (path_in(u, "lock", path) < 0)
        return -ENAMETOOLONG;
    u->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (u->lock_fd < 0) {
        note_set(why, "%s: %s", path, strerror(errno));
        return -EIO;
    }
    for (int i = 0; (rc = flock(u->lock_fd, LOCK_EX | LOCK_NB)) < 0 && i < LOCK_TRIES; i++)
        usleep(LOCK_PAUSE_US); /* who only looks whether it runs lets go at once */
    if (rc < 0) {
        (void)up_running(u->folder, &other);
        note_set(why, "%s is in use by process %ld; 'cairn down' stops it", u->data, other);
        return -EBUSY;
    }
    /* Written before it is cut: on a full disk the block that is there must stay ours. */
    n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    if (pwrite(u->lock_fd, pid, (size_t)n, 0) != n || ftruncate(u->lock_fd, n) < 0) {
        note_set(why, "%s: %s", path, strerror(errno));
        return -EIO;
    }
    return 0;
}

int up_folder_open(struct up *u, struct note *why)
{
    char *absolute;
    int rc;

    if (mkdir(u->data, 0755) < 0 && errno != EEXIST) {
        note_set(why, "%s: %s", u->data, strerror(errno));
        return -EIO;
    }
    absolute = realpath(u->data, NULL);
    if (!absolute || strlen(absolute) >= OPTION_STR_BYTES) {
        note_set(why, "%s: %s", u->data, absolute ? "the path is too long" : strerror(errno));
        free(absolute);
        return -ENAMETOOLONG;
    }
    snprintf(u->folder, sizeof(u->folder), "%s", absolute);
    free(absolute);
    rc = folder_lock(u, why);
    return rc < 0 ? rc : conf_load(u, why);
}

/* ---- what clients are given ---- */

static int env_file_write(struct up *u, struct note *why)
{
    AUTO(writer) w = {0};

    text_add(&w, "export CAIRN_CONF='%s/cairn.conf'\n", u->folder);
    text_add(&w, "export AWS_ENDPOINT_URL='http://%s'\n", u->s3_bound.s);
    text_add(&w, "export AWS_ACCESS_KEY_ID='%s'\n", u->access_key);
    text_add(&w, "export AWS_SECRET_ACCESS_KEY='%s'\n", u->secret_key);
    text_add(&w, "export AWS_DEFAULT_REGION='%s'\n", u->conf.s3_region.s);
    text_add(&w, "export CAIRN_PID='%ld'\n", (long)getpid());
    return file_write(u, "env", &w, 0600, why);
}

static int s3cfg_write(struct up *u, struct note *why)
{
    AUTO(writer) w = {0};

    text_add(&w, "[default]\naccess_key = %s\nsecret_key = %s\n", u->access_key, u->secret_key);
    text_add(&w, "host_base = %s\nhost_bucket = %s\n", u->s3_bound.s, u->s3_bound.s);
    text_add(&w, "bucket_location = %s\nuse_https = False\nsignature_v2 = False\n",
             u->conf.s3_region.s);
    return file_write(u, "s3cfg", &w, 0600, why);
}

static int rclone_write(struct up *u, struct note *why)
{
    AUTO(writer) w = {0};

    text_add(&w, "[cairn]\ntype = s3\nprovider = Other\nenv_auth = false\n");
    text_add(&w, "access_key_id = %s\nsecret_access_key = %s\n", u->access_key, u->secret_key);
    text_add(&w, "endpoint = http://%s\nregion = %s\nforce_path_style = true\n", u->s3_bound.s,
             u->conf.s3_region.s);
    return file_write(u, "rclone.conf", &w, 0600, why);
}

int up_client_files_write(struct up *u, struct note *why)
{
    int rc = env_file_write(u, why);

    if (rc == 0)
        rc = s3cfg_write(u, why);
    return rc < 0 ? rc : rclone_write(u, why);
}

/* The quoted value of "export NAME='...'". */
static bool env_value(const char *line, const char *name, char *out, size_t bytes)
{
    char head[64];
    size_t len;

    snprintf(head, sizeof(head), "export %s='", name);
    len = strlen(head);
    if (strncmp(line, head, len) != 0)
        return false;
    snprintf(out, bytes, "%.*s", (int)strcspn(line + len, "'\n"), line + len);
    return true;
}

int up_keys_read(struct up *u)
{
    char path[CLI_PATH_BYTES], line[1024];
    FILE *f;

    if (path_in(u, "env", path) < 0 || !(f = fopen(path, "re")))
        return -ENOENT;
    while (fgets(line, sizeof(line), f)) {
        (void)env_value(line, "AWS_ACCESS_KEY_ID", u->access_key,
                        sizeof(u->access_key)); /* one of them, or */
        (void)env_value(line, "AWS_SECRET_ACCESS_KEY", u->secret_key,
                        sizeof(u->secret_key)); /* neither */
    }
    fclose(f);
    return u->access_key[0] && u->secret_key[0] ? 0 : -ENOENT;
}

void up_warn(struct up *u, const char *fmt, ...)
{
    size_t used = strlen(u->warnings);
    char line[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    if (used + strlen(line) + sizeof("warning: \n\n") <= sizeof(u->warnings))
        snprintf(u->warnings + used, sizeof(u->warnings) - used, "warning: %s\n\n", line);
}

void up_block_print(const struct up *u, FILE *out)
{
    fprintf(out, "cairn is ready: %u OSD%s, data in %s\n\n", u->osd_count,
            u->osd_count == 1 ? "" : "s", u->folder);
    if (u->osd_count < 3)
        fprintf(out,
                "warning: with %u OSD%s there %s; three are needed to survive a loss and go on\n\n",
                u->osd_count, u->osd_count == 1 ? "" : "s",
                u->osd_count == 1 ? "is one copy of everything" : "are two copies");
    fputs(u->warnings, out);
    fprintf(out, "  S3 endpoint   http://%s\n", u->s3_bound.s);
    fprintf(out, "  access key    %s\n", u->access_key);
    fprintf(out, "  secret key    %s\n\n", u->secret_key);
    fprintf(out, "  s3cmd         s3cmd -c %s/s3cfg mb s3://photos\n", u->folder);
    fprintf(out, "  aws, boto3    . %s/env; aws --endpoint-url $AWS_ENDPOINT_URL s3 ls\n",
            u->folder);
    fprintf(out, "  rclone        rclone --config %s/rclone.conf lsd cairn:\n", u->folder);
    fprintf(out,
            "  objects       cairn --data %s pool create things; cairn --data %s object put things "
            "NAME FILE\n",
            u->folder, u->folder);
    fprintf(out, "  how it is     cairn --data %s status\n", u->folder);
    fflush(out);
}
