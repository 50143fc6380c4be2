import { createHash } from 'node:crypto'
import { SchedulerError } from '../adapter.js'

/** A host's public key, as `ssh-keygen -l` shows it. */
export interface HostKey {
  /** "SHA256:…" */
  readonly fingerprint: string
  /** "ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa", … */
  readonly keyType: string
}

/** The host's key is not the pinned one, or none is pinned. Nothing was sent to the host that could log anybody in. */
export class HostKeyError extends SchedulerError implements HostKey {
  readonly fingerprint: string
  readonly keyType: string
  /** The pinned fingerprint; undefined where none was accepted yet. */
  readonly pinned: string | undefined

  constructor(place: string, { fingerprint, keyType }: HostKey, pinned: string | undefined) {
    super(
      'auth',
      pinned === undefined
        ? `hostKey: ${place} is not known yet. It shows a key of type ${keyType} with the fingerprint ${fingerprint}. ` +
            'Compare it with what the administrator of the host tells you (on the host: ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub), and ' +
            'accept it by setting hostKey to that fingerprint.'
        : `hostKey: ${place} IS ANOTHER HOST THAN BEFORE. Its key was ${pinned}, and now it shows ${fingerprint} (${keyType}). ` +
            'Somebody may be listening in between, or the host was installed anew. Nothing was sent to it. Ask its administrator before ' +
            'you set hostKey to the new fingerprint.',
    )
    this.fingerprint = fingerprint
    this.keyType = keyType
    this.pinned = pinned
  }
}

/** The kinds of host keys, best first, and the signatures that are accepted of each: none with SHA-1. */
export const HOST_KEY_KINDS = [
  ['ssh-ed25519'],
  ['ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'],
  ['rsa-sha2-512', 'rsa-sha2-256'],
] as const
export type HostKeyKind = (typeof HOST_KEY_KINDS)[number]

/** What a public key as it travels (RFC 4253, 6.6) is called. */
export const hostKeyOfBlob = (blob: Uint8Array): HostKey => {
  const bytes = Buffer.from(blob)
  return {
    fingerprint: `SHA256:${createHash('sha256').update(bytes).digest('base64').replace(/=+$/, '')}`,
    keyType: bytes.subarray(4, 4 + bytes.readUInt32BE(0)).toString('latin1'),
  }
}
