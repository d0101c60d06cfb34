/* replay.c - main() of a fuzz target without a fuzzer: feed it the files named on the command line,
 * and those in the folders named there.  Each input also runs cut short at every length up to 512,
 * and with each of its first 512 bytes changed, since decoders fail at edges. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define EDGES_MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Each run gets an exact copy on the heap, so that a sanitizer sees a read past its end. */
static void run_one(const uint8_t *data, size_t bytes, size_t flip_at, uint8_t flip)
{
    uint8_t *copy = malloc(bytes > 0 ? bytes : 1);

    if (!copy) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    if (bytes > 0)
        memcpy(copy, data, bytes);
    if (flip_at < bytes)
        copy[flip_at] ^= flip;
    (void)LLVMFuzzerTestOneInput(copy, bytes); /* always 0: findings abort */
    free(copy);
}

static void run_edges(const uint8_t *data, size_t bytes)
{
    size_t edges = bytes < EDGES_MAX ? bytes : EDGES_MAX;

    run_one(data, bytes, bytes, 0);
    for (size_t i = 0; i < edges; i++) {
        run_one(data, i, i, 0);
        run_one(data, bytes, i, 0x01);
        run_one(data, bytes, i, 0xff);
    }
}

static int run_file(const char *path)
{
    uint8_t *data = NULL;
    size_t bytes = 0;
    FILE *f = fopen(path, "rb");
    struct stat st;
    int rc = -1;

    if (!f || fstat(fileno(f), &st) != 0)
        goto out;
    data = malloc((size_t)st.st_size + 1);
    if (!data)
        goto out;
    bytes = fread(data, 1, (size_t)st.st_size, f);
    if (ferror(f) || bytes != (size_t)st.st_size)
        goto out;
    run_edges(data, bytes);
    rc = 1;
out:
    if (rc < 0)
        perror(path);
    if (f)
        (void)fclose(f); /* read only: nothing to lose */
    free(data);
    return rc;
}

static int run_folder(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    int count = 0;

    if (!d) {
        perror(path);
        return -1;
    }
    while (count >= 0 && (e = readdir(d)) != NULL) {
        char file[4096];

        if (e->d_name[0] == '.')
            continue;
        snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
        count = run_file(file) < 0 ? -1 : count + 1;
    }
    closedir(d);
    return count;
}

int main(int argc, char **argv)
{
    int total = 0;

    for (int i = 1; i < argc; i++) {
        struct stat st;
        int count = -1;

        if (stat(argv[i], &st) != 0)
            perror(argv[i]);
        else
            count = S_ISDIR(st.st_mode) ? run_folder(argv[i]) : run_file(argv[i]);
        if (count < 0)
            return 1;
        total += count;
    }
    if (total == 0) {
        fprintf(stderr, "no corpus: name a folder with at least one file\n");
        return 1;
    }
    printf("%d inputs and their edges\n", total);
    return 0;
}
