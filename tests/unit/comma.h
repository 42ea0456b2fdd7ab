/* comma.h - a locale in which 1.5 is written 1,5. */
#ifndef COMMA_H
#define COMMA_H

#include <locale.h>
#include <spawn.h>

/* A locale with a decimal comma: one that is installed, or one that is made here. */
static TEST__UNUSED bool take_comma_locale(void)
{
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "ru_RU.UTF-8", "da_DK.UTF-8", "de_DE"};
    for (int made = 0; made < 2; made++) {
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            if (setlocale(LC_ALL, names[i]) && localeconv()->decimal_point[0] == ',') {
                return true;
            }
        }
        char *const command[] = {(char *)"localedef", (char *)"-i", (char *)"de_DE", (char *)"-f", (char *)"UTF-8",
                                 (char *)"./de_DE.UTF-8", NULL};
        extern char **environ;
        pid_t pid;
        int status;
        if (made || posix_spawnp(&pid, command[0], NULL, NULL, command, environ) != 0 ||
            waitpid(pid, &status, 0) != pid || setenv("LOCPATH", ".", 1) != 0) {
            break;
        }
    }
    return false;
}

#endif
