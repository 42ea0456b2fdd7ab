/* show.c - plugins, errors and events as JSON, for the control socket and the command. */
#include "admin.h"
#ifdef PLUGKIT_WITH_ADMIN
#include "../../os/clock.h"

static void pk__admin_put_str(pk_json_writer *w, const char *key, pk_str value)
{
    pk_json_put_key(w, key);
    if (value.len > 0) {
        pk_json_put_str(w, value);
    } else {
        pk_json_put_null(w);
    }
}

static void pk__admin_put_uint(pk_json_writer *w, const char *key, uint64_t value)
{
    pk_json_put_key(w, key);
    pk_json_put_uint(w, value);
}

static void pk__admin_put_ms(pk_json_writer *w, const char *key, pk_ns ns, bool known)
{
    pk_json_put_key(w, key);
    if (known) {
        pk_json_put_double(w, (double)(ns / 1000) / 1000.0);
    } else {
        pk_json_put_null(w);
    }
}

static void pk__admin_put_pid(pk_json_writer *w, int64_t pid)
{
    pk_json_put_key(w, "pid");
    if (pid > 0) {
        pk_json_put_int(w, pid);
    } else {
        pk_json_put_null(w);
    }
}

PK_API void pk_json_put_error(pk_json_writer *w, const pk_error *err)
{
    if (!err || err->code == PK_OK) {
        pk_json_put_null(w);
        return;
    }
    pk_json_put_object(w);
    pk__admin_put_str(w, "code", pk_str_from(pk_err_id(err->code)));
    pk__admin_put_str(w, "name", pk_str_from(pk_err_name(err->code)));
    pk__admin_put_str(w, "kind", pk_str_from(pk_kind_name(pk_err_kind(err->code))));
    pk_json_put_key(w, "message");
    pk_json_put_text(w, err->msg);
    if (err->status) {
        pk_json_put_key(w, "status");
        pk_json_put_int(w, err->status);
    }
    if (err->app_code[0]) {
        pk__admin_put_str(w, "pluginCode", pk_str_from(err->app_code));
    }
    pk_json_put_end(w);
}

static void pk__admin_put_reason(pk_json_writer *w, const pk_error *err)
{
    pk_json_put_key(w, "reason");
    pk_json_put_error(w, err);
}

static void pk__admin_put_services(pk_json_writer *w, const pk_plugin_info *p)
{
    pk_json_put_key(w, "services");
    pk_json_put_array(w);
    for (size_t i = 0; i < p->service_count; i++) {
        pk_json_put_object(w);
        pk__admin_put_str(w, "contract", p->services[i].contract);
        pk__admin_put_str(w, "type", p->services[i].type);
        pk__admin_put_str(w, "version", p->services[i].version);
        pk_json_put_end(w);
    }
    pk_json_put_end(w);
}

static void pk__admin_put_health(pk_json_writer *w, const pk_plugin_info *p)
{
    pk_json_put_key(w, "health");
    if (p->health.len == 0) {
        pk_json_put_null(w);
        return;
    }
    pk_json_put_object(w);
    pk__admin_put_str(w, "status", p->health);
    pk__admin_put_str(w, "reason", p->health_reason);
    pk__admin_put_str(w, "unavailable", p->unavailable);
    pk_json_put_end(w);
}

#ifdef PLUGKIT_WITH_MANIFESTS
static void pk__admin_put_manifest(pk_json_writer *w, const pk_manifest *m)
{
    pk_buf text;
    pk_buf_init(&text, w->buf->alloc, 8 << 20);
    pk_json_put_key(w, "manifest");
    if (m && pk_json_encode(&text, &pk_type_pk_manifest, m, NULL) == PK_OK) {
        pk_json_put_raw(w, pk_buf_str(&text));
    } else {
        pk_json_put_null(w);
    }
    pk_buf_free(&text);
}
#endif

#ifdef PLUGKIT_WITH_ISOLATE
static void pk__admin_put_limits(pk_json_writer *w, const pk_plugin_info *p)
{
    pk_json_put_key(w, "limits");
    pk_json_put_array(w);
    for (size_t i = 0; i < p->limit_count; i++) {
        pk_json_put_object(w);
        pk__admin_put_str(w, "limit", pk_str_from(p->limits[i].name));
        pk__admin_put_str(w, "state", pk_str_from(pk_limit_state_name(p->limits[i].state)));
        pk__admin_put_str(w, "why", pk_str_from(p->limits[i].why));
        pk_json_put_end(w);
    }
    pk_json_put_end(w);
}
#else
static void pk__admin_put_limits(const pk_json_writer *w, const pk_plugin_info *p)
{
    (void)w, (void)p;
}
#endif

PK__FN void pk__admin_put_plugin(pk_json_writer *w, const pk_plugin_info *p, bool whole)
{
    pk_json_put_object(w);
    pk__admin_put_str(w, "id", p->id);
    pk__admin_put_str(w, "path", p->path);
    pk__admin_put_str(w, "status", p->status);
    pk__admin_put_reason(w, &p->why);
    pk__admin_put_str(w, "version", p->version);
    pk__admin_put_services(w, p);
    pk__admin_put_str(w, "dialect", p->dialect);
    pk__admin_put_str(w, "address", p->address);
    pk__admin_put_pid(w, p->pid);
    pk__admin_put_str(w, "hostDeath", p->host_death);
    pk__admin_put_health(w, p);
    pk__admin_put_uint(w, "starts", p->starts);
    pk__admin_put_uint(w, "crashes", p->crashes);
    pk__admin_put_ms(w, "startMs", p->start_time, p->starts > 0);
    pk__admin_put_ms(w, "upMs", p->up_time, p->up_time > 0);
    pk__admin_put_uint(w, "calls", p->calls);
    pk__admin_put_uint(w, "failures", p->failures);
    pk__admin_put_uint(w, "inFlight", p->in_flight);
    pk__admin_put_uint(w, "bytesIn", p->bytes_in);
    pk__admin_put_uint(w, "bytesOut", p->bytes_out);
    pk__admin_put_uint(w, "outputDropped", p->output_dropped);
    if (whole) {
        pk_json_put_key(w, "capabilities");
        pk_json_put_raw(w, p->capabilities);
        pk__admin_put_limits(w, p);
#ifdef PLUGKIT_WITH_MANIFESTS
        pk__admin_put_manifest(w, p->manifest);
#endif
    }
    pk_json_put_end(w);
}

PK_API void pk_json_put_plugin(pk_json_writer *w, const pk_plugin_info *info)
{
    pk__admin_put_plugin(w, info, true);
}

static void pk__admin_begin_line(pk_json_writer *w, const char *kind)
{
    char now[PK__CLOCK_TEXT];
    pk_json_put_object(w);
    pk__admin_put_str(w, "time", pk_str_from(pk__clock_text(now)));
    pk__admin_put_str(w, "kind", pk_str_from(kind));
}

PK__FN void pk__admin_put_event(pk_json_writer *w, const pk_event *e, const pk_plugin_info *p)
{
    pk__admin_begin_line(w, "event");
    pk__admin_put_str(w, "event", pk_str_from(e->name));
    pk__admin_put_str(w, "plugin", pk_str_from(e->id));
    pk__admin_put_str(w, "from", pk_str_from(e->from));
    pk__admin_put_str(w, "to", pk_str_from(e->to));
    if (p->pid > 0) {
        pk__admin_put_pid(w, p->pid);
        pk__admin_put_ms(w, "startMs", p->start_time, p->starts > 0);
    }
    pk__admin_put_reason(w, e->why);
    pk_json_put_end(w);
}

PK__FN void pk__admin_put_dropped(pk_json_writer *w, uint64_t count)
{
    pk__admin_begin_line(w, "dropped");
    pk__admin_put_uint(w, "count", count);
    pk_json_put_end(w);
}

#endif
