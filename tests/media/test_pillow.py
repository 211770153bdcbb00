#!/usr/bin/env python3
"""Pictures against Pillow and numpy, bit for bit. usage: test_pillow.py PICTURE_DUMP CORPUS

Needs python3-pil and python3-numpy; without them it is skipped. JPEG agrees to the bit only where Pillow uses the same
libjpeg, so 3 of 255 are allowed there.
"""
import io
import math
import os
import random
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from PIL import Image, ImageOps
except ImportError:
    # Debian's packages belong to Debian's interpreter, which need not be the one that runs this
    if os.path.exists("/usr/bin/python3") and "RAGA_PILLOW_TRIED" not in os.environ:
        os.environ["RAGA_PILLOW_TRIED"] = "1"
        os.execv("/usr/bin/python3", ["/usr/bin/python3"] + sys.argv)
    print("skipped: Pillow and numpy are not there (python3-pil, python3-numpy)")
    sys.exit(77)

DUMP, CORPUS = sys.argv[1:]
LONG = os.environ.get("RAGA_TEST_LONG") == "1"
FAMILIES = {  # patch, min_pixels, max_pixels, mean, std
    "qwen2": (14, 3136, 12845056, (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "qwen3": (16, 65536, 16777216, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
failures = []
n_checked = 0
folder = tempfile.TemporaryDirectory()


def dump(data, *words):
    path = os.path.join(folder.name, "picture")
    with open(path, "wb") as file:
        file.write(data)
    run = subprocess.run([DUMP, path, *map(str, words)], capture_output=True)
    if run.returncode != 0:
        return run.stderr.decode().strip()
    line, _, rest = run.stdout.partition(b"\n")
    sizes = list(map(int, line.split()))
    if words[0] == "patches":
        t, h, w, n = sizes
        return (t, h, w), np.frombuffer(rest, np.float32).reshape(t * h * w, n)
    return np.frombuffer(rest, np.uint8).reshape(sizes[0], sizes[1], 3)


def check(name, ours, theirs, most=0):
    global n_checked
    n_checked += 1
    if isinstance(ours, str) or ours.shape != theirs.shape:
        failures.append(f"{name}: {ours if isinstance(ours, str) else ours.shape} for {theirs.shape}")
        return
    worst = np.abs(ours.astype(np.float64) - theirs).max()
    if worst > most:
        failures.append(f"{name}: off by {worst}")


def picture(rng, height, width, smooth):
    if not smooth:
        return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    y, x = np.mgrid[0:height, 0:width]
    waves = [128 + 127 * np.sin(x / rng.uniform(2, 40) + y / rng.uniform(2, 40) + c) for c in range(3)]
    return np.stack(waves, -1).astype(np.uint8)


def saved(image, form, **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def upright_rgb(data):
    return np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))


def smart_resize(height, width, factor, least, most):
    h, w = round(height / factor) * factor, round(width / factor) * factor
    if h * w > most:
        beta = math.sqrt((height * width) / most)
        h = max(factor, math.floor(height / beta / factor) * factor)
        w = max(factor, math.floor(width / beta / factor) * factor)
    elif h * w < least:
        beta = math.sqrt(least / (height * width))
        h, w = math.ceil(height * beta / factor) * factor, math.ceil(width * beta / factor) * factor
    return h, w


def reference_patches(pixels, family):
    patch, least, most, mean, std = FAMILIES[family]
    h, w = smart_resize(*pixels.shape[:2], 2 * patch, least, most)
    image = np.array(Image.fromarray(pixels).resize((w, h), Image.BICUBIC))
    image = (image.astype(np.float64) * (1 / 255)).astype(np.float32)
    image = (image - np.array(mean, np.float32)) / np.array(std, np.float32)
    frames = np.repeat(image.transpose(2, 0, 1)[None], 2, axis=0)
    gh, gw = h // patch, w // patch
    frames = frames.reshape(1, 2, 3, gh // 2, 2, patch, gw // 2, 2, patch).transpose(0, 3, 6, 4, 7, 2, 1, 5, 8)
    return (1, gh, gw), frames.reshape(gh * gw, 3 * 2 * patch * patch)


def decoding(rng):
    rgb = Image.fromarray(picture(rng, 37, 53, True))
    alpha = Image.fromarray(rng.integers(0, 256, (37, 53), dtype=np.uint8))
    rgba = rgb.copy()
    rgba.putalpha(alpha)
    gray_alpha = rgb.convert("L")
    gray_alpha.putalpha(alpha)
    for name, image in (("rgb", rgb), ("rgba", rgba), ("gray", rgb.convert("L")), ("gray and alpha", gray_alpha),
                        ("one bit", rgb.convert("1")), ("palette", rgb.quantize(200))):
        check(f"PNG {name}", dump(saved(image, "PNG"), "pixels"), upright_rgb(saved(image, "PNG")))
    for bits in (1, 2, 4):
        data = saved(rgb.quantize(1 << bits), "PNG", bits=bits)
        check(f"PNG palette of {bits} bits", dump(data, "pixels"), upright_rgb(data))
    data = saved(rgb.quantize(16), "PNG", transparency=3)
    check("PNG transparent palette", dump(data, "pixels"), upright_rgb(data))
    data = saved(rgb, "PNG", transparency=(1, 2, 3))
    check("PNG transparent color", dump(data, "pixels"), upright_rgb(data))
    for orientation in range(0, 10):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for form, most in (("PNG", 0), ("JPEG", 3)):
            data = saved(rgb, form, exif=exif)
            check(f"{form} orientation {orientation}", dump(data, "pixels"), upright_rgb(data), most)
    for mode in ("RGB", "L", "CMYK"):
        for options in ({"quality": 90}, {"quality": 30, "progressive": True}, {"quality": 95, "subsampling": 0}):
            data = saved(rgb.convert(mode), "JPEG", **options)
            check(f"JPEG {mode} {options}", dump(data, "pixels"), upright_rgb(data), 3)

    for name in sorted(os.listdir(CORPUS)):
        with open(os.path.join(CORPUS, name), "rb") as file:
            data = file.read()
        if name not in ("gif", "png_too_wide"):
            theirs = upright_rgb(data)
            if name == "png_0_16":  # Pillow clips to white what is above 255; the upper byte is meant
                theirs = np.repeat(np.array(Image.open(io.BytesIO(data)))[..., None] >> 8, 3, axis=2)
            check(f"corpus: {name}", dump(data, "pixels"), theirs, 3 if name.startswith("jpeg") else 0)


def sizes(random_source, n):
    yield from (((7, 5), (7, 5)), ((1, 1), (56, 56)), ((1, 200), (3, 500)), ((300, 2), (28, 28)), ((640, 480), (28, 812)))
    for _ in range(n):
        a = [int(2 ** random_source.uniform(0, 9.5)) for _ in range(4)]
        yield (min(max(a[0], a[1] // 200 + 1), 200 * a[1]), a[1]), (a[2], a[3])


rng = np.random.default_rng(5)
decoding(rng)
for n, ((h, w), (to_h, to_w)) in enumerate(sizes(random.Random(3), 1500 if LONG else 60)):
    pixels = picture(rng, h, w, n % 3 == 0)
    if n % 5 == 4:
        pixels = pixels // 128 * 255  # overshoot at every edge
    theirs = np.array(Image.fromarray(pixels).resize((to_w, to_h), Image.BICUBIC))
    check(f"{w} x {h} to {to_w} x {to_h}", dump(saved(Image.fromarray(pixels), "PNG"), "resize", to_h, to_w), theirs)
for n, ((h, w), _) in enumerate(sizes(random.Random(4), 200 if LONG else 12)):
    h = min(max(h, w // 200 + 1), 200 * w)
    for family in FAMILIES:
        pixels = picture(rng, h, w, n % 2 == 0)
        ours = dump(saved(Image.fromarray(pixels), "PNG"), "patches", family)
        theirs = reference_patches(pixels, family)
        if isinstance(ours, str) or ours[0] != theirs[0]:
            failures.append(f"{family} {w} x {h}: {ours if isinstance(ours, str) else ours[0]}, not {theirs[0]}")
        else:
            check(f"{family} {w} x {h}", ours[1], theirs[1])

print("\n".join(failures))
print(f"{n_checked} compared, {len(failures)} differ")
sys.exit(1 if failures or n_checked == 0 else 0)
