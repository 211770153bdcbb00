/* Which experts a token goes to: one version, plain C, so that the choice is the same everywhere.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** How a logit becomes the score that experts are chosen and weighted by. */
typedef enum rg_route_score {
    RG_ROUTE_SOFTMAX, // over all experts
    RG_ROUTE_SIGMOID,
    RG_ROUTE_SQRT_SOFTPLUS, // sqrt(log(1 + exp(x)))
} rg_route_score;

/** A router. Experts lie in n_group groups of equal size, of which the best n_group_used count. */
typedef struct rg_router {
    size_t n_expert;
    size_t n_top;
    size_t n_group; // at least 1
    size_t n_group_used;
    rg_route_score score;
    bool is_group_by_two; // a group's score: its two best together, else its best
    bool is_renormed;     // weights are divided by their sum
    float scale;          // of the weights, last
} rg_router;

/**
 * Choose for one token.
 * Shapes: logits, bias (or NULL) [n_expert]; scores [n_expert] is scratch; weights, chosen [n_top],
 * best first.
 * Ties: the lower number first. A logit that is not a number is chosen last, never twice.
 */
void rg_route_choose(const rg_router *r, const float *logits, const float *bias, float *scores,
                     float *weights, int32_t *chosen);

/** The weights [n_top] of experts that were chosen elsewhere; the rest as above. */
void rg_route_weigh(const rg_router *r, const float *logits, const int32_t *chosen, float *scores,
                    float *weights);

/** The gradient of the logits [n_expert] from that of the weights [n_top] and the choice. */
void rg_route_gradient(const rg_router *r, const float *dweights, const float *logits,
                       const int32_t *chosen, float *scores, float *dlogits);
