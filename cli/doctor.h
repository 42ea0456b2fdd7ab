/* doctor.h - what is wrong, and how to mend it.
 *
 *     doctor.c            the command: tries each plugin, prints what was found
 *     doctor_file.c       a plugin's file, before anybody runs it: mode, owner, first line
 *     doctor_place.c      what lies around it: the directory, the runtime directory, what dead hosts left over
 *     doctor_contract.c   does it do what the contracts that it claims ask for?
 *     doctor_schema.c     are its JSON Schemas some, and does the configuration fit them?
 *     doctor_cure.c       from an error to what to type
 *
 * A finding is a sentence about one plugin or place, and another one about the cure. Notes are worth knowing, warnings
 * worth mending, errors keep something from working: only those make the exit status 1. */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H
#include "health.h"
#include "session.h"

typedef enum doctor_level { DOCTOR_NOTE, DOCTOR_WARNING, DOCTOR_ERROR } doctor_level;

typedef struct doctor_finding {
    doctor_level level;
    pk_str subject; // a path or an id
    pk_str what, cure;
    struct doctor_finding *next;
} doctor_finding;

typedef struct doctor_patient { // one plugin, and how it went
    const pk_plugin_info *plugin;
    bool started, stopped;
    int64_t start_ns, stop_ns;
    health health;
    doctor_finding *findings, **last;
} doctor_patient;

typedef struct doctor {
    session s;
    const args *args;
    pk_mem mem;
    doctor_patient *patients;
    size_t count;
    doctor_finding *places, **last; // findings that are about no plugin
    size_t locks;                   // that were left over in /tmp
} doctor;

/* p NULL: about a place. what and cure are copied; cure "" = the sentence has it already. */
void doctor_find(doctor *d, doctor_patient *p, doctor_level level, const char *subject, const char *what,
                 const char *cure);
bool doctor_is_ill(const doctor_patient *p); // has an error

void doctor_file(doctor *d, doctor_patient *p);
/* The cure that the file itself asks for, if it cannot be run: "" if nothing is wrong with it. In d->mem. */
const char *doctor_file_cure(doctor *d, const char *path);
void doctor_places(doctor *d);
void doctor_contracts(doctor *d, doctor_patient *p);
bool doctor_schemas(doctor *d, doctor_patient *p); // false: hosts do not start it with this configuration
const char *doctor_cure(doctor *d, const pk_plugin_info *p, const pk_error *err); // in d->mem, or static

#endif
