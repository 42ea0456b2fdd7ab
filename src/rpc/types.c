/* types.c - what both directions need. */
#include "types.h"

#include <stdio.h>
#include <string.h>

#include "../base/error.h"

PK__FN size_t pk__types_path_text(const pk__types_path *path, char *out, size_t cap)
{
    if (!path || !path->up) {
        out[0] = '\0';
        return 0;
    }
    size_t len = pk__types_path_text(path->up, out, cap);
    int more;
    if (path->name.ptr) {
        char name[68];
        (void)pk__error_clean(name, sizeof(name), path->name);
        more = snprintf(out + len, cap - len, "%s%s", len > 0 ? "." : "", name);
    } else {
        more = snprintf(out + len, cap - len, "[%zu]", path->index);
    }
    return more < 0 ? len : PK__MIN(len + (size_t)more, cap - 1);
}

PK__COLD pk_err pk__types_fail(pk_error *err, const char *verb, const pk_type *root, const pk__types_path *path,
                             const char *reason, const char *place)
{
    char where[128];
    size_t len = pk__types_path_text(path, where, sizeof(where));
    return pk_error_set(err, PK_ERR_SERIALIZE, place ? "cannot %s %s: %s%s%s (%s)" : "cannot %s %s: %s%s%s", verb,
                        root->name, where, len > 0 ? ": " : "", reason, place);
}

PK__FN void pk__types_enum_set(const pk_type *type, void *at, int value)
{
    uint8_t one = (uint8_t)value;
    uint16_t two = (uint16_t)value;
    if (type->size == sizeof(one)) {
        memcpy(at, &one, sizeof(one));
    } else if (type->size == sizeof(two)) {
        memcpy(at, &two, sizeof(two));
    } else {
        memcpy(at, &value, sizeof(value));
    }
}
