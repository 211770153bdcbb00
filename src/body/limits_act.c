#include "body/limits_act.h"

#include <math.h>

bool rg_act_limits_apply(rg_act_limits *limits, float *action) {
    bool is_bad = false;
    for (size_t i = 0; i < limits->desc->n_actions; i++) {
        const rg_channel *c = &limits->desc->actions[i];
        for (uint32_t j = 0; j < c->n; j++) {
            float *value = &action[c->at + j];
            if (!isfinite(*value)) {
                *value = c->rest[j];
                limits->n_bad++;
                is_bad = true;
            } else if (*value < c->min[j] || *value > c->max[j]) {
                *value = *value < c->min[j] ? c->min[j] : c->max[j];
                limits->n_clamped++;
            }
        }
    }
    limits->bad_in_row = is_bad ? limits->bad_in_row + 1 : 0;
    return limits->bad_in_row < RG_BAD_ACTIONS_MAX;
}
