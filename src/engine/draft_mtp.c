#include "engine/draft.h"

rg_status rg_draft_mtp(void *arg, const rg_draft_request *r, int32_t *guesses, size_t *n,
                       rg_error *err) {
    (void)arg;
    rg_status status = RG_OK;
    int32_t id = r->id;
    size_t made = 0;
    for (; made < r->most; made++) {
        RG_TRY(rg_session_predict(r->session, made, id, err));
        RG_TRY(r->pick(r->pick_arg, made, rg_session_prediction(r->session), &id, err));
        guesses[made] = id;
    }
    *n = made;

done:
    return status;
}
