// The border, second part: what transports need of the system and of the OpenSSL inside Node. Not
// tied to an open core. The same names as native/addon/values/network.cc.

export interface NativeNetwork {
  /**
   * Has a TLS context refuse certificates while the handshake is under way, so that the other side
   * gets an alert. The handshake's error then has `metastore refusal <number>` in its message:
   * a number of OpenSSL (X509_V_ERR), -1 for a certificate that is not among those allowed, -2 for
   * one of another host. False when this Node does not allow it.
   *
   * @param context `_external` of a secure context's native half
   * @param allowedNames common names of which the certificate must have one; empty: any
   * @param allowedHosts host names or addresses, likewise
   * @param host for clients: the host that was dialled; empty: not compared
   */
  guardTls(
    context: unknown,
    allowedNames: readonly string[],
    allowedHosts: readonly string[],
    host: string,
    isClient: boolean,
  ): boolean;
  /** A bound TCP socket with SO_REUSEPORT, or a negative errno; no host means all addresses. */
  bindReusable(host: string, port: number): number;
  /** How many files the process may have open; 0 when unknown. */
  openFilesLimit(): number;
}
