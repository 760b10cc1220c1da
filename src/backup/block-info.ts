// The packed word of a block index that says where a block comes from.

/** Payload bytes, 1..8192; 0 = hole. */
export const INFO_SIZE = 0x3fff;
/**
 * In place of a size: the layer's stream is damaged and has no header map, so nobody knows whether it holds this block.
 * An older layer's version must not be served in its place.
 */
export const INFO_UNKNOWN = 0x3fff;
/** In place of a size: the cluster had this block, and no layer holds it. */
export const INFO_LOST = 0x3ffe;
const INFO_LAYER_SHIFT = 14;
/** Highest index into source.layers there is room for. */
export const INFO_MAX_LAYER = 0xfff;
/** The index knows the checksum pg_probackup computed for the page. */
export const INFO_HAS_CHECKSUM = 0x40000000;
/** No header map vouches for the stream and its CRC is wrong: the page must at least match its own pd_checksum. */
export const INFO_OWN_CHECKSUM = 0x20000000;
/** Some thread has compared the page with its checksum. */
export const INFO_VERIFIED = 0x80000000;

/** Index into source.layers. */
export function infoLayer(info: number): number {
  return (info >>> INFO_LAYER_SHIFT) & INFO_MAX_LAYER;
}

/** @param flag INFO_HAS_CHECKSUM, INFO_OWN_CHECKSUM or 0 */
export function packInfo(layer: number, size: number, flag: number): number {
  return (size | (layer << INFO_LAYER_SHIFT) | flag) >>> 0;
}
