/* hearing.h - what a process prints and says: logs, the address of a Go framework plugin, control lines. */
#ifndef PK__HEARING_H
#define PK__HEARING_H
#include "life.h"

PK__FN void pk__hearing_init(pk_launch *l);
PK__FN void pk__hearing_end(pk_launch *l); // nothing more will come: delivers last lines
PK__FN void pk__hearing_deinit(pk_launch *l);

#endif
