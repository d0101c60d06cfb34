/* cairnd.c - entry of the daemons. */
#include <stdio.h>
#include <string.h>

#include "config.h"

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("cairnd %s\n", PACKAGE_VERSION);
        return 0;
    }
    fprintf(stderr, "usage: cairnd --version\n");
    return 2;
}
