import { type GatewayConfig, gatewayDevice } from '../gateways/gateway-config.ts';
import { deviceId, type VolumeConfig } from '../storage/volume-config.ts';

/** One bucket is one volume, or its copies would be counted twice; classes that are named must exist. */
export function conflicts(
  volumes: VolumeConfig[],
  gateways: GatewayConfig[],
  classes: Record<string, unknown>,
): string[] {
  const problems: string[] = [];
  const owner = new Map<string, string>();
  for (const volume of volumes) {
    const { driver } = volume;
    const backends = driver.kind === 'R2' ? [`binding ${driver.binding}`, deviceId(volume)] : [deviceId(volume)];
    const taken = backends.find((id) => owner.has(id));
    if (taken !== undefined)
      problems.push(`VOLUMES.${volume.uuid}: ${taken} is already volume ${owner.get(taken)}; one bucket is one volume`);
    for (const id of backends) owner.set(id, volume.uuid);
    if (volume.near !== null) {
      const near = volumes.find(({ uuid }) => uuid === volume.near);
      const problem =
        near === undefined || near === volume
          ? 'name another volume of this service'
          : near.readOnly
            ? 'that volume is read-only: nothing can be kept there'
            : near.near === null
              ? null
              : 'that volume names a nearer one itself';
      if (problem !== null) problems.push(`VOLUMES.${volume.uuid}.Near: ${problem}`);
    }
    for (const name of Object.keys(volume.storageClasses)) {
      if (Object.keys(classes).length > 0 && !Object.hasOwn(classes, name))
        problems.push(`VOLUMES.${volume.uuid}.StorageClasses.${name}: STORAGE_CLASSES has no such class`);
    }
  }
  for (const gateway of gateways) {
    const { uuid, storageClass, name } = gateway;
    // keep-balance stops when one device has two UUIDs.
    const device = gatewayDevice(gateway);
    if (Object.keys(classes).length > 0 && !Object.hasOwn(classes, storageClass))
      problems.push(`GATEWAYS.${uuid}.StorageClass: STORAGE_CLASSES has no class ${storageClass}`);
    if (gateways.some((other) => other.uuid < uuid && gatewayDevice(other) === device))
      problems.push(`GATEWAYS.${uuid}: another gateway reads this bucket and prefix already`);
    if (gateways.some((other) => other.uuid < uuid && other.name === name))
      problems.push(`GATEWAYS.${uuid}.Name: another gateway has the name ${name} already`);
  }
  return problems;
}
