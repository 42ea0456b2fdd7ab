/* hosts.h - which running host a command is meant for.
 *
 * A host that serves (`plugkit run` does, others call pk_manager_serve) has a control socket in its runtime directory,
 * BASE/plugkit-UID/RANDOM/control.sock. --host names one, by that path, its directory, or the host's pid; otherwise it
 * is the only one of this user that runs. Sockets of hosts that were killed answer nobody, and are passed over. */
#ifndef CLI_HOSTS_H
#define CLI_HOSTS_H
#include "args.h"

typedef struct hosts_one {
    const char *socket;
    int64_t pid;         // 0 = not known
    const char *command; // how it was started; "" = not known
} hosts_one;

/* Everything lives in *mem. Otherwise returns an exit status other than 0, and has said why. */
int hosts_find(const args *a, pk_mem *mem, hosts_one *out);
bool hosts_is_alive(const char *socket); // does anybody listen there?
/* The command line of a process, on one line; "" if it cannot be seen. */
pk_str hosts_command(pk_mem *mem, int64_t pid);

#endif
