// What an agent's operator allows to Docker tasks. Types only, without Docker's own: whoever runs an agent in code sees them.

/** What an agent's operator allows to Docker tasks. */
export interface DockerPolicy {
  /** Privileged containers, devices and capabilities beyond Docker's own defaults. Default false. */
  readonly allowPrivileged?: boolean;
  /** Host paths (and all below) that may be mounted although they are refused by default, e.g. `/etc/ssl`. */
  readonly allowedHostPaths?: readonly string[];
  /** Host paths never to be mounted besides the usual ones, e.g. the agent's work directory. */
  readonly refusedHostPaths?: readonly string[];
  /** Processes and threads per container. Default 4096: room for a large JVM, none for a fork bomb. */
  readonly pidsMax?: number;
  /** Bytes of output the engine keeps per file (of two) besides the sandbox. Default 10 MiB. */
  readonly engineLogBytes?: number;
}
