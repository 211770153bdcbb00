#include "engine/draft.h"

#include <string.h>

enum {
    SHORTEST = 2, // tokens of a match: one alone says little, and wrong guesses cost time
    LONGEST = 3,  // as good as any
};

// tokens that positions before `end` and before n have in common, the last of them token n - 1
static size_t match(const int32_t *ids, int32_t last, size_t n, size_t end) {
    size_t length = 0;
    while (length < LONGEST && length < end) {
        const int32_t want = length == 0 ? last : ids[n - length];
        if (ids[end - 1 - length] != want) {
            break;
        }
        length++;
    }
    return length;
}

rg_status rg_draft_ngram(void *arg, const rg_draft_request *r, int32_t *guesses, size_t *n,
                         rg_error *err) {
    (void)arg;
    (void)err;
    const int32_t *ids = rg_session_ids(r->session);
    const size_t count = rg_session_count(r->session); // r->id would be token `count`
    size_t best = 0, best_length = 0;
    for (size_t end = count; end > 0 && best_length < LONGEST; end--) {
        const size_t length = match(ids, r->id, count, end);
        // a match at the end has nothing after it yet but the token itself
        if (length > best_length && end < count) {
            best = end;
            best_length = length;
        }
    }
    *n = best_length < SHORTEST ? 0 : count - best < r->most ? count - best : r->most;
    memcpy(guesses, ids + best, *n * sizeof *guesses);
    return RG_OK;
}
