/** Kinds of files by the end of the name: the rules of `chalicelib/domain/kinds.py`, held together by shared vectors. */

const IMAGES = words(
  ".jpg .jpeg .png .webp .avif .jxl .gif .bmp .tif .tiff .heic .heif .exr .jfif .jp2 .apng .tga .ppm",
);
const MEDIA = new Set([
  ...IMAGES,
  ...words(".mp4 .webm .mkv .mov .avi .m4v .mpg .mpeg .wav .mp3 .flac .ogg .opus .m4a .aac"),
  ...words(".zip .tar .gz .tgz .bz2 .xz .zst .7z .rar"),
  ...words(".safetensors .npz .npy .parquet .arrow .pt .pth .bin .lmdb .h5"),
]);

export function isImage(name: string): boolean {
  return IMAGES.has(suffix(name));
}

/** Compressed or binary by nature: never searched for secrets. */
export function isMedia(name: string): boolean {
  return MEDIA.has(suffix(name));
}

function suffix(name: string): string {
  const dot = name.lastIndexOf(".");
  return dot > name.lastIndexOf("/") + 1 ? name.slice(dot).toLowerCase() : "";
}

function words(text: string): Set<string> {
  return new Set(text.split(" "));
}
