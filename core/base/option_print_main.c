/* option_print_main.c - writes etc/cairn.conf.sample, or the options' part of cairn.conf(5). */
#include <stdio.h>

#include "core/base/option.h"

int main(int argc, char **argv)
{
    AUTO(writer) out = {0};

    if (argc == 2 && strcmp(argv[1], "sample") == 0) {
        option_print_sample(&out);
    } else if (argc == 2 && strcmp(argv[1], "man") == 0) {
        option_print_man(&out);
    } else {
        fprintf(stderr, "usage: option_print sample|man\n");
        return 2;
    }
    if (out.rc || fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout) != 0) {
        fprintf(stderr, "option_print: cannot write\n");
        return 1;
    }
    return 0;
}
