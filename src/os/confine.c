/* confine.c - the limits of a child. */
#ifdef PLUGKIT_WITH_ISOLATE
#include "confine.h"

#ifdef __GLIBC__ // where a resource is an enum, for compilers that mind
typedef __rlimit_resource_t pk__confine_resource;
#else
typedef int pk__confine_resource;
#endif

PK__FN int pk__confine_port_get_limit(int what, struct rlimit *out)
{
    return getrlimit((pk__confine_resource)what, out);
}

PK__FN int pk__confine_port_set_limit(int what, const struct rlimit *limit)
{
    return setrlimit((pk__confine_resource)what, limit);
}

/* ---- what systems do differently */
#ifdef PK__LINUX
#include <sys/prctl.h>
#include <sys/syscall.h>

/* On 32-bit systems the calls of these names know users below 65536 only. */
#ifdef SYS_setgroups32
#define PK__CONFINE_CALL(name) SYS_##name##32
#else
#define PK__CONFINE_CALL(name) SYS_##name
#endif

PK__FN int pk__confine_port_drop_capability(int number)
{
    return prctl(PR_CAPBSET_DROP, number, 0, 0, 0);
}

PK__FN int pk__confine_port_drop_inherited(void)
{
    struct {
        uint32_t version;
        int pid;
    } who = {0x20080522, 0}; // _LINUX_CAPABILITY_VERSION_3: two words of each set
    struct {
        uint32_t effective, permitted, inheritable;
    } sets[2];
    if (syscall(SYS_capget, &who, sets) != 0) {
        return -1;
    }
    sets[0].inheritable = sets[1].inheritable = 0; // and with them the ambient ones
    return (int)syscall(SYS_capset, &who, sets);
}

PK__FN int pk__confine_port_set_groups(size_t count, const gid_t *groups)
{
    return (int)syscall(PK__CONFINE_CALL(setgroups), count, groups);
}

PK__FN int pk__confine_port_set_group(gid_t gid)
{
    return (int)syscall(PK__CONFINE_CALL(setresgid), gid, gid, gid);
}

PK__FN int pk__confine_port_set_user(uid_t uid)
{
    return (int)syscall(PK__CONFINE_CALL(setresuid), uid, uid, uid);
}

PK__FN int pk__confine_port_no_new_privileges(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}
#undef PK__CONFINE_CALL

#else // there the child is forked, and has no other threads
#include <grp.h>

PK__FN int pk__confine_port_drop_capability(int number)
{
    (void)number;
    return pk__sys_port_missing();
}

PK__FN int pk__confine_port_drop_inherited(void)
{
    return pk__sys_port_missing();
}

PK__FN int pk__confine_port_set_groups(size_t count, const gid_t *groups)
{
    return setgroups(count, groups);
}

PK__FN int pk__confine_port_set_group(gid_t gid)
{
    return setgid(gid);
}

PK__FN int pk__confine_port_set_user(uid_t uid)
{
    return setuid(uid);
}

PK__FN int pk__confine_port_no_new_privileges(void)
{
    return pk__sys_port_missing();
}
#endif

/* ---- one by one */

/* Never above what holds already. */
static bool pk__confine_limit(const pk__confine *c, pk__confine_what what, int resource)
{
    struct rlimit now, limit;
    if (PK__SYS(get_limit)(resource, &now) != 0) {
        return false;
    }
    uint64_t number = c->number[what], more = what == PK__CONFINE_CPU ? number + 1 : number; // SIGXCPU, then SIGKILL
    limit.rlim_max = now.rlim_max < more ? now.rlim_max : (rlim_t)more;
    limit.rlim_cur = limit.rlim_max < number ? limit.rlim_max : (rlim_t)number;
    return PK__SYS(set_limit)(resource, &limit) == 0;
}

/* What a program of root's is given when it begins is bounded by a set; others have only what they inherit. */
static bool pk__confine_capabilities(const pk__confine *c)
{
    if (PK__SYS(drop_inherited)() != 0) {
        return false;
    }
    for (int number = 0; c->is_root && number < 64; number++) {
        if (PK__SYS(drop_capability)(number) != 0) {
            return errno == EINVAL && number > 0; // all that this system has
        }
    }
    return true;
}

static bool pk__confine_user(const pk__confine *c)
{
    return PK__SYS(set_groups)(c->group_count, c->groups) == 0 && PK__SYS(set_group)(c->gid) == 0 &&
           PK__SYS(set_user)(c->uid) == 0;
}

static bool pk__confine_do(const pk__confine *c, pk__confine_what what)
{
    switch (what) {
    case PK__CONFINE_NICE: return PK__SYS(set_nice)(c->nice) == 0;
    case PK__CONFINE_ADDRESS_SPACE: return pk__confine_limit(c, what, RLIMIT_AS);
    case PK__CONFINE_CPU: return pk__confine_limit(c, what, RLIMIT_CPU);
    case PK__CONFINE_FILES: return pk__confine_limit(c, what, RLIMIT_NOFILE);
    case PK__CONFINE_PROCESSES: return pk__confine_limit(c, what, RLIMIT_NPROC);
    case PK__CONFINE_FILE_SIZE: return pk__confine_limit(c, what, RLIMIT_FSIZE);
    case PK__CONFINE_CORE: return pk__confine_limit(c, what, RLIMIT_CORE);
    case PK__CONFINE_CAPABILITIES: return pk__confine_capabilities(c);
    case PK__CONFINE_USER: return pk__confine_user(c);
    case PK__CONFINE_DIRECTORY: return PK__SYS(chdir)(c->directory) == 0;
    case PK__CONFINE_UMASK: return (void)PK__SYS(set_umask)(c->umask), true;
    case PK__CONFINE_PRIVILEGES: return PK__SYS(no_new_privileges)() == 0;
    case PK__CONFINE_COUNT: break;
    }
    return true;
}

PK__FN const char *pk__confine_name(pk__confine_what what)
{
    static const char *const names[] = {
#define PK__CONFINE_NAME(name, text) text,
        PK__CONFINES(PK__CONFINE_NAME)
#undef PK__CONFINE_NAME
    };
    return names[what];
}

PK__FN const char *pk__confine_run(void *confine)
{
    const pk__confine *c = (const pk__confine *)confine;
    for (int what = 0; what < PK__CONFINE_COUNT; what++) {
        if ((c->wanted & (1u << what)) && !pk__confine_do(c, (pk__confine_what)what)) {
            return pk__confine_name((pk__confine_what)what);
        }
    }
    return NULL;
}
#endif
