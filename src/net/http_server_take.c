/* http_server_take.c - request bodies that are handed on piece by piece, on the loop's thread. */
#include "http_server.h"
#if defined(PLUGKIT_WITH_STREAMS) && !defined(PLUGKIT_NO_NET)

/* The next piece: what was refused last time, or what is there, or what comes. ON: there is one; empty = the end. */
static pk__http_step pk__http_link_piece(pk__http_link *l, pk_str *piece)
{
    pk__http_job *job = l->job;
    *piece = job->body;
    while (piece->len == 0 && !job->body_done) {
        switch (pk__http_job_next(job, SIZE_MAX, piece)) {
        case PK__CHUNK_DATA: return PK__HTTP_STEP_ON;
        case PK__CHUNK_DONE: piece->len = 0; return PK__HTTP_STEP_ON;
        case PK__CHUNK_ERROR: return pk__http_link_refuse(l, 400, job->chunk.error);
        default: break;
        }
        pk__http_step step = pk__http_link_receive_job(l);
        if (step == PK__HTTP_STEP_READ) {
            pk__http_link_due(l, l->server->desc.body_ms);
            return pk__http_job_continue(job) ? step : PK__HTTP_STEP_CLOSE;
        }
        if (step != PK__HTTP_STEP_ON) {
            return step;
        }
        piece->len = 0;
    }
    return PK__HTTP_STEP_ON;
}

static pk__http_step pk__http_link_take(pk__http_link *l)
{
    pk__http_job *job = l->job;
    pk_str piece;
    job->out.busy = false;
    while (!job->answered) {
        pk__http_step step = pk__http_link_piece(l, &piece);
        if (step != PK__HTTP_STEP_ON || job->answered) {
            return step;
        }
        job->body = piece;
        job->out.busy = job->on_piece(job, piece) == PK_ERR_BUSY;
        if (job->out.busy) {
            pk__http_link_due(l, 0);
            return PK__HTTP_STEP_HOLD;
        }
        job->body.len = 0;
    }
    l->state = PK__HTTP_LINK_WRITE;
    return PK__HTTP_STEP_ON;
}

PK__FN void pk__http_server_take(pk__http_job *job, pk_err (*on_piece)(pk__http_job *job, pk_str piece))
{
    job->take = pk__http_link_take;
    job->on_piece = on_piece;
    job->link->state = PK__HTTP_LINK_BODY;
}
#endif
