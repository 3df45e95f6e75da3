// What TLS on one side of the server, towards clients or other members, is made of: files, limits
// and who is let in. Made by src/app/listen out of flags; read by everything in this folder.

export type TlsVersion = 'TLS1.2' | 'TLS1.3';

/** Paths are as they were given; '' stands for none. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly trustedCaFile: string;
  /** Clients must show a certificate; a trusted authority alone asks for one as well. */
  readonly clientCertAuth: boolean;
  /** A revocation list in DER, read at each connection. */
  readonly crlFile: string;
  readonly allowedCns: readonly string[];
  readonly allowedHostnames: readonly string[];
  /** The certificate for connections that this process makes; that of the server when ''. */
  readonly clientCertFile: string;
  readonly clientKeyFile: string;
  /** A certificate is made when there is none; others do not verify it. */
  readonly autoTls: boolean;
  readonly selfSignedValidityYears: number;
  /** IANA names; they bound TLS 1.2 alone. Empty: a safe default. */
  readonly cipherSuites: readonly string[];
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** Whether the address of who shows a certificate need not be one that the certificate names. */
  readonly skipClientSanVerification: boolean;
}

/** The native side refuses certificates in the handshake; see NativeNetwork of src/storage. */
export type GuardTls = (
  context: unknown,
  allowedNames: readonly string[],
  allowedHosts: readonly string[],
  host: string,
  isClient: boolean,
) => boolean;

/** TLS could not be set up; the text is what operators know from the reference. */
export class TlsError extends Error {
  override readonly name = 'TlsError';
}

/** Whether whoever connects must show a certificate. */
export function needsClientCertificate(files: TlsFiles): boolean {
  return files.clientCertAuth || files.trustedCaFile !== '';
}

/** Both halves of the server's certificate, or automatic ones. */
export function hasCertificate(files: TlsFiles): boolean {
  return files.autoTls || files.certFile !== '' || files.keyFile !== '';
}
