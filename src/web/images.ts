import path from 'node:path'

/** Images that a browser shows without running anything. SVG can hold scripts: it is shown in a sandbox. */
const IMAGES: Readonly<Record<string, string>> = {
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.webp': 'image/webp',
  '.svg': 'image/svg+xml',
}

export const IMAGE_TYPES: readonly string[] = [...new Set(Object.values(IMAGES))]

/** The type under which a result is shown on a page, or undefined for what is only downloaded. */
export const imageType = (file: string): string | undefined => IMAGES[path.posix.extname(file).toLowerCase()]
