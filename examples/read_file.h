/* read_file.h - a whole file in a buffer; shared by the hosts of the examples. Include plugkit.h first. */
#include <errno.h>
#include <stdio.h>

/* Appends what is in the file to *out, whose limit holds. Errors: PK_ERR_OS, PK_ERR_LIMIT, PK_ERR_NO_MEMORY. */
static pk_err read_file(const char *path, pk_buf *out, pk_error *err)
{
    FILE *file = fopen(path, "rb");
    pk_err rc = PK_OK;
    size_t got = 1;
    if (!file) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot open '%s'", path);
    }
    while (!rc && got > 0) {
        if (!pk_buf_reserve(out, 65536)) {
            rc = pk_error_set(err, (pk_err)out->failed, "cannot read '%s': it is too large", path);
            break;
        }
        got = fread(out->ptr + out->len, 1, out->cap - out->len, file);
        out->len += got;
        if (ferror(file)) {
            rc = pk_error_sys(err, PK_ERR_OS, errno, "cannot read '%s'", path);
        }
    }
    (void)fclose(file);
    return rc;
}
