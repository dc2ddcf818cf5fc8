package fleet

import (
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
)

// StreamAccess is what another process in the namespace of a FlowCollector needs to read its stream.
type StreamAccess struct {
	// NATS names files in Mounts.
	NATS *config.NATS
	// Volumes and Mounts have the Secrets of NATS; none where the servers need none.
	Volumes []*coreac.VolumeApplyConfiguration
	Mounts  []*coreac.VolumeMountApplyConfiguration
}

// Access to the stream of a FlowCollector.
func Access(c *v1alpha1.FlowCollector) StreamAccess {
	section, volume := c.Spec.Output.NATS, outputNATSVolume
	if section == nil {
		section, volume = &c.Spec.NATS, natsVolume
	}
	out := StreamAccess{NATS: nats(section, volume)}
	if sources := secretSources(section); len(sources) > 0 {
		out.Volumes = append(out.Volumes, sources.Volume(volume))
		out.Mounts = append(out.Mounts, sources.Mount(volume))
	}
	return out
}
