/* main.c - entry of the `cairn` command. */
#include <stdio.h>
#include <string.h>

#include "config.h"

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("cairn %s\n", PACKAGE_VERSION);
        return 0;
    }
    fprintf(stderr, "usage: cairn --version\n");
    return 2;
}
