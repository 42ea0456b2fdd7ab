/* doctor_file.c - a plugin's file, before anybody runs it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"

enum { DOCTOR_HEAD = 256 }; // bytes; kernels read no more of a script's first line

static size_t doctor_read_head(const char *path, char head[DOCTOR_HEAD + 1])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd < 0 ? 0 : read(fd, head, DOCTOR_HEAD);
    if (fd >= 0) {
        (void)close(fd);
    }
    head[got > 0 ? got : 0] = '\0';
    return got > 0 ? (size_t)got : 0;
}

/* ELF, and the forms of Mach-O. */
static bool doctor_is_program(const char *head, size_t len)
{
    static const char *const magics[] = {"\177ELF", "\xcf\xfa\xed\xfe", "\xce\xfa\xed\xfe", "\xca\xfe\xba\xbe"};
    for (size_t i = 0; len >= 4 && i < sizeof(magics) / sizeof(*magics); i++) {
        if (memcmp(head, magics[i], 4) == 0) {
            return true;
        }
    }
    return false;
}

static bool doctor_is_in_path(pk_mem *mem, const char *name)
{
    pk_str rest = pk_str_from(getenv("PATH")), dir;
    while (rest.len > 0) {
        if (!pk_str_cut(rest, ':', &dir, &rest)) {
            dir = rest;
            rest.len = 0;
        }
        pk_str path = pk_mem_printf(mem, "%" PK_FMT "/%s", PK_ARG(dir), name);
        if (path.ptr && access(path.ptr, X_OK) == 0) {
            return true;
        }
    }
    return false;
}

/* What is wrong with "#!/usr/bin/env python3", without the "#!". */
static const char *doctor_script_cure(doctor *d, char *line)
{
    char *end = line + strcspn(line, "\n");
    if (end > line && end[-1] == '\r') {
        return "its lines end with carriage returns, which become part of the interpreter's name: take them out with "
               "sed -i 's/\\r$//'";
    }
    *end = '\0';
    char *interpreter = line + strspn(line, " \t");
    char *argument = interpreter + strcspn(interpreter, " \t");
    if (*argument) {
        *argument++ = '\0';
        argument += strspn(argument, " \t");
    }
    pk_str cure = PK_STR("");
    if (access(interpreter, X_OK) != 0) {
        cure = pk_mem_printf(&d->mem, "its interpreter '%s' cannot be run: install it, or correct the first line",
                             interpreter);
    } else if (strcmp(interpreter + strlen(interpreter) - strlen("env"), "env") == 0 && *argument && *argument != '-' &&
               !doctor_is_in_path(&d->mem, argument)) {
        cure = pk_mem_printf(&d->mem, "its interpreter '%s' is not in PATH: install it, or correct the first line",
                             argument);
    }
    return cure.ptr ? cure.ptr : "";
}

const char *doctor_file_cure(doctor *d, const char *path)
{
    char head[DOCTOR_HEAD + 1];
    size_t len = doctor_read_head(path, head);
    if (len == 0 || doctor_is_program(head, len)) {
        return access(path, X_OK) == 0 && len == 0 ? "it is empty: the program is missing" : "";
    }
    if (memcmp(head, "\xef\xbb\xbf#!", 5) == 0) {
        return "its first line begins with a byte order mark: the file must begin with #!";
    }
    if (memcmp(head, "#!", 2) != 0) {
        return "it is no program of this system, and no script: a script begins with a line like #!/bin/sh";
    }
    return doctor_script_cure(d, head + 2);
}

void doctor_file(doctor *d, doctor_patient *p)
{
    struct stat info;
    const char *path = p->plugin->path.ptr;
    if (p->plugin->path.len == 0 || stat(path, &info) != 0) {
        return;
    }
    if (info.st_mode & (S_ISUID | S_ISGID)) {
        doctor_find(d, p, DOCTOR_WARNING, path,
                    "it runs with the rights of its owner or group, not with those of its host",
                    "chmod ug-s it, unless that is meant");
    }
    if (info.st_mode & S_IWGRP && info.st_gid != getegid()) {
        doctor_find(d, p, DOCTOR_WARNING, path, "another group may write to it", "chmod g-w it");
    }
}
