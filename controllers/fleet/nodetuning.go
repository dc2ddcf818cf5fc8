package fleet

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
)

const (
	tuningContainer = "tune-node"
	nodeProcVolume  = "node-proc"
	// nodeProcDirectory is where the command looks for the node's /proc by itself.
	nodeProcDirectory = "/host/proc"
)

// tuning is a container that raises the node's limit for receive buffers before the collector starts. The kernel wants root and the
// node's own network namespace for it; the collector beside it stays without any privilege.
func (f *Fleet) tuning() (*coreac.ContainerApplyConfiguration, error) {
	c := &f.Collector.Spec.Collector
	resources, err := Convert[coreac.ResourceRequirementsApplyConfiguration](f.resources())
	if err != nil {
		return nil, err
	}
	var bytes int64
	for _, l := range f.Filled().Listeners {
		bytes = max(bytes, int64(l.ReceiveBuffer))
	}
	return coreac.Container().
		WithName(tuningContainer).
		WithImage(f.Image).
		WithImagePullPolicy(c.ImagePullPolicy).
		WithCommand("/collector").
		WithArgs("tune-node", "--receive-buffer="+strconv.FormatInt(bytes, 10)).
		// Those of the collector: a pod is given the larger of both, and a quota of the namespace may want them of each container.
		WithResources(resources).
		WithSecurityContext(coreac.SecurityContext().
			WithPrivileged(true).
			WithRunAsUser(0).WithRunAsGroup(0).WithRunAsNonRoot(false).
			WithReadOnlyRootFilesystem(true)).
		WithVolumeMounts(coreac.VolumeMount().WithName(nodeProcVolume).WithMountPath(nodeProcDirectory).WithReadOnly(true)), nil
}

// nodeProc has the network namespace of the node's first process.
func nodeProc() *coreac.VolumeApplyConfiguration {
	return coreac.Volume().WithName(nodeProcVolume).WithHostPath(coreac.HostPathVolumeSource().WithPath("/proc").WithType(corev1.HostPathDirectory))
}
