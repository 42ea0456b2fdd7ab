/* doctor_schema.c - the schemas that a plugin advertises, and the configuration for it held against them. */
#include <stdio.h>
#include <string.h>

#include "advertised.h"
#include "doctor.h"

enum { DOCTOR_FAULTS = 20 }; // of one configuration

static const char *doctor_schema_show(doctor *d, const pk_plugin_info *p, pk_str type, const char *before)
{
    pk_str text = pk_mem_printf(&d->mem, "%splugkit schema show '%s' %" PK_FMT " %" PK_FMT, before, d->args->rest[0],
                                PK_ARG(p->id), PK_ARG(type));
    return text.ptr ? text.ptr : "";
}

static const char *doctor_schema_cure(doctor *d, const pk_plugin_info *p, const advertised *a, const pk_error *err)
{
    switch (err->code) {
    case PK_ERR_BAD_JSON: return "a schema is JSON, JSON as text, or base64 of JSON";
    case PK_ERR_NOT_FOUND: return "what $ref leads to must be in the same schema, below \"$defs\": nothing is fetched";
    default:
        return doctor_schema_show(d, p, a->type, "mend the schema in the plugin; the place is a JSON Pointer: ");
    }
}

/* A schema that cannot be used. Whoever holds configurations against it does not start the plugin; requests are held
 * against it only by hosts that want that. */
static void doctor_schema_wrong(doctor *d, doctor_patient *p, const advertised *a, const pk_error *err)
{
    bool is_config = a->contract.len == 0;
    pk_str what = pk_mem_printf(&d->mem, "its schema of the %s '%" PK_FMT "' is wrong: %s",
                                is_config ? "config type" : "type", PK_ARG(a->type), err->msg);
    doctor_find(d, p, is_config ? DOCTOR_ERROR : DOCTOR_WARNING, p->plugin->id.ptr, what.ptr ? what.ptr : err->msg,
                doctor_schema_cure(d, p->plugin, a, err));
}

static bool doctor_schema_declares(const pk_json_value *capabilities, pk_str type)
{
    const pk_json_value *types = pk_json_get(capabilities, "configTypes");
    types = types ? types : pk_json_get(capabilities, "supportedConfigTypes");
    for (const pk_json_value *v = pk_json_first(types); v; v = pk_json_next(types, v)) {
        if (pk_str_eq(pk_json_str(v), type)) {
            return true;
        }
    }
    return false;
}

static bool doctor_schema_config(doctor *d, doctor_patient *p, const advertised *a, const pk_schema *s, pk_json data)
{
    pk_error err = {0};
    const pk_json_value *value;
    pk_schema_fault *faults;
    size_t count = 0;
    const char *cure = doctor_schema_show(d, p->plugin, a->type, "correct --config; what it takes: ");
    pk_err rc = pk_json_parse(&d->mem, data.len ? data : PK_STR("{}"), &value, &err);
    rc = rc ? rc : pk_schema_faults(s, value, &d->mem, DOCTOR_FAULTS, &faults, &count, &err);
    for (size_t i = 0; i < count; i++) {
        pk_str what = pk_mem_printf(&d->mem, "its configuration '%" PK_FMT "' does not fit: %" PK_FMT "%s%" PK_FMT,
                                    PK_ARG(a->type), PK_ARG(faults[i].path), faults[i].path.len ? ": " : "",
                                    PK_ARG(faults[i].reason));
        doctor_find(d, p, DOCTOR_ERROR, p->plugin->id.ptr, what.ptr ? what.ptr : err.msg, i + 1 < count ? "" : cure);
    }
    if (rc && count == 0) {
        doctor_find(d, p, DOCTOR_ERROR, p->plugin->id.ptr, err.msg, cure);
    }
    return rc == PK_OK;
}

bool doctor_schemas(doctor *d, doctor_patient *p)
{
    const pk_plugin_info *plugin = p->plugin;
    const pk_json_value *capabilities = NULL;
    bool good = true;
    if (plugin->capabilities.len) {
        (void)pk_json_parse(&d->mem, plugin->capabilities, &capabilities, NULL);
    }
    for (const advertised *a = advertised_all(&d->mem, capabilities); a; a = a->next) {
        pk_error err = {0};
        pk_schema *s = NULL;
        bool is_config = a->contract.len == 0;
        pk_err rc = advertised_compile(a, NULL, &s, &err);
        if (rc) {
            doctor_schema_wrong(d, p, a, &err);
        }
        if (is_config && !doctor_schema_declares(capabilities, a->type)) {
            pk_str what = pk_mem_printf(&d->mem, "it has a schema of the config type '%" PK_FMT "', which it does not "
                                        "declare", PK_ARG(a->type));
            doctor_find(d, p, DOCTOR_WARNING, plugin->id.ptr, what.ptr, "name it in \"configTypes\", too");
        }
        for (size_t i = 0; is_config && i < d->s.config_count; i++) {
            const pk_plugin_config *c = &d->s.config[i];
            if (pk_str_is(a->type, c->type) && (!c->plugin || pk_str_is(plugin->id, c->plugin))) {
                good = !rc && doctor_schema_config(d, p, a, s, c->data) && good;
            }
        }
        pk_schema_destroy(s);
    }
    return good;
}
