/* PNG of a build without libpng. */
#include "media/picture_internal.h"

rg_status rg_png_read(const rg_mem *mem, rg_bytes file, rg_picture *out, unsigned *orientation,
                      rg_error *err) {
    (void)mem, (void)file, (void)out, (void)orientation;
    return rg_fail(err, RG_E_UNSUPPORTED,
                   "this build of raga cannot read PNG: install libpng-dev and build again");
}
