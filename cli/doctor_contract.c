/* doctor_contract.c - does a plugin do what the contracts that come with PlugKit ask of it? */
#include "doctor.h"

#include "../contracts/analytics.h"
#include "../contracts/blob_store.h"
#include "../contracts/data_processor.h"
#include "../contracts/plugin_base.h"
#include "../contracts/transformer.h"

static const pk_contract *doctor_contract(pk_str name)
{
    static const pk_contract *const known[] = {&data_processor_contract, &transformer_contract, &analytics_contract,
                                               &blob_store_contract, &plugin_base_contract};
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (pk_str_is(name, known[i]->name)) {
            return known[i];
        }
    }
    return NULL;
}

void doctor_contracts(doctor *d, doctor_patient *p)
{
    const pk_plugin_info *plugin = p->plugin;
    for (size_t i = 0; i < plugin->service_count; i++) {
        const pk_contract *contract = doctor_contract(plugin->services[i].contract);
        pk_stub stub = {0};
        pk_error err = {0};
        if (contract &&
            pk_stub_bind(&stub, pk_manager_caller(d->s.manager), contract, plugin->services[i].type, &err)) {
            doctor_find(d, p, DOCTOR_ERROR, plugin->id.ptr, err.msg, doctor_cure(d, plugin, &err));
        }
    }
}
