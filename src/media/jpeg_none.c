/* JPEG of a build without libjpeg. */
#include "media/picture_internal.h"

rg_status rg_jpeg_read(const rg_mem *mem, rg_bytes file, rg_picture *out, unsigned *orientation,
                       rg_error *err) {
    (void)mem, (void)file, (void)out, (void)orientation;
    return rg_fail(err, RG_E_UNSUPPORTED,
                   "this build of raga cannot read JPEG: install libjpeg62-turbo-dev and build "
                   "again");
}
