// The body of Docker's create call, as far as it is used here. In: dockerode's types. Out: one type.
import type { ContainerCreateOptions, HostConfig, MountSettings } from 'dockerode';

/** The parts of the create call this package uses. */
export type CreateBody = ContainerCreateOptions & { HostConfig: HostConfig & { Mounts: MountSettings[] } };
