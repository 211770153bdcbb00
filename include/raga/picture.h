/* Pictures, for models that see. */
#pragma once

#include "raga/session.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RAGA_PICTURE_FILE_MAX ((size_t)256 << 20) // bytes of a file with a picture

/** A picture as a model sees it: tokens with hidden values in place of an id. */
typedef struct raga_picture raga_picture;

/** Does the model see? One that was opened for its facts only tells as well. */
RAGA_API bool raga_model_sees(const raga_model *model);

/**
 * Look at a picture whose patches are cut already, as the model's image processor does: normalized,
 * those of one token beside each other.
 * @param patches  f32 [grid[0] * grid[1] * grid[2]][values of a patch], n values in all
 * @param grid     frames, rows and columns of patches
 * @param out      owned by the caller: raga_picture_free(), before the model is closed
 * Errors: RAGA_E_UNSUPPORTED (the model does not see), RAGA_E_ARG (n does not fit the grid, or the
 * grid the model), RAGA_E_LIMIT, RAGA_E_MEMORY.
 */
RAGA_API raga_status raga_picture_of_patches(raga_model *model, const float *patches, size_t n,
                                             const uint32_t grid[3], raga_picture **out,
                                             raga_error *err) RAGA_MUST_CHECK;
/**
 * Look at a picture: a JPEG or PNG, brought to a size and cut as the model's own settings say
 * (preprocessor_config.json beside its weights).
 * @param file        the whole file
 * @param max_tokens  make it smaller where it would become more; 0: only as the settings say.
 *                    Where they forbid to resize, it stays as it is
 * @param out         as above
 * Errors: RAGA_E_UNSUPPORTED (the model does not see; another format, named), RAGA_E_FORMAT (a
 * damaged file, or settings), RAGA_E_NOT_FOUND (no settings), RAGA_E_LIMIT, RAGA_E_MEMORY.
 */
RAGA_API raga_status raga_picture_read(raga_model *model, const void *file, size_t size,
                                       size_t max_tokens, raga_picture **out,
                                       raga_error *err) RAGA_MUST_CHECK;
RAGA_API void raga_picture_free(raga_picture *picture);
/** Tokens that it is. */
RAGA_API size_t raga_picture_tokens(const raga_picture *picture);

/**
 * Bring a session to a conversation, with its pictures or without any: what the two have in common
 * stays, the rest of the session is forgotten, and what is to be evaluated next comes back, at
 * least the last token. Pictures go where the ids have tokens that stand for them, in order: a
 * single such token becomes as many as the picture is; where there are that many already they stay.
 * @param ids  the whole conversation
 * @param out  receives the ids to be evaluated, owned by the caller: raga_free()
 * Errors: RAGA_E_ARG (more pictures than places, or places than pictures), RAGA_E_UNSUPPORTED
 * (pictures, and the model does not see), RAGA_E_LIMIT (they do not fit the context),
 * RAGA_E_MEMORY. After the first two the session is as before, after the others it has what the two
 * have in common.
 */
RAGA_API raga_status raga_session_continue(raga_session *session, raga_picture *const *pictures,
                                           size_t n_pictures, const int32_t *ids, size_t n,
                                           int32_t **out, size_t *n_out,
                                           raga_error *err) RAGA_MUST_CHECK;

#ifdef __cplusplus
}
#endif
