package fleet

import (
	"cmp"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// volumes of a pod: the configuration, the Secrets of each NATS section, the spool, and the user's own.
func (f *Fleet) volumes() ([]*coreac.VolumeApplyConfiguration, error) {
	out := []*coreac.VolumeApplyConfiguration{coreac.Volume().
		WithName(configurationVolume).
		WithConfigMap(coreac.ConfigMapVolumeSource().WithName(ObjectName(f.Collector)))}
	for _, v := range f.secretVolumes() {
		out = append(out, v.volume())
	}
	if from := f.Collector.Spec.Exporters.NamesFrom; from != nil {
		// A ConfigMap that is missing does not keep a collector from starting: its names are taken up once it is there.
		out = append(out, coreac.Volume().WithName(namesVolume).WithConfigMap(coreac.ConfigMapVolumeSource().WithName(from.Name).
			WithOptional(true).WithItems(coreac.KeyToPath().WithKey(cmp.Or(from.Key, namesFile)).WithPath(namesFile))))
	}
	if s := f.Collector.Spec.Output.Buffer.Spool; s != nil {
		out = append(out, f.spool(s))
	}
	for i := range f.Collector.Spec.Collector.Volumes {
		volume, err := convert[coreac.VolumeApplyConfiguration](&f.Collector.Spec.Collector.Volumes[i])
		if err != nil {
			return nil, err
		}
		out = append(out, volume)
	}
	return out, nil
}

// spoolOverhead is what the files of a spool may take beyond what they hold.
const spoolOverhead = 64 << 20

func (f *Fleet) spool(s *v1alpha1.Spool) *coreac.VolumeApplyConfiguration {
	volume := coreac.Volume().WithName(spoolVolume)
	if s.HostPath != nil {
		return volume.WithHostPath(coreac.HostPathVolumeSource().WithPath(s.HostPath.Path).WithType(corev1.HostPathDirectoryOrCreate))
	}
	limit := resource.NewQuantity(int64(f.Filled().Output.Buffer.Spool.MaxBytes)+spoolOverhead, resource.BinarySI)
	return volume.WithEmptyDir(coreac.EmptyDirVolumeSource().WithSizeLimit(*limit))
}

// secretVolume has the files of the Secrets of one NATS section.
type secretVolume struct {
	name    string
	sources []*coreac.VolumeProjectionApplyConfiguration
}

// secretVolumes are those of the sections that use Secrets.
func (f *Fleet) secretVolumes() []secretVolume {
	s := &f.Collector.Spec
	var out []secretVolume
	for _, section := range []struct {
		name string
		nats *v1alpha1.NATS
	}{{natsVolume, &s.NATS}, {templatesNATSVolume, s.TemplateStore.NATS}, {outputNATSVolume, s.Output.NATS}} {
		if section.nats == nil {
			continue
		}
		if sources := secretSources(section.nats); len(sources) > 0 {
			out = append(out, secretVolume{section.name, sources})
		}
	}
	return out
}

func secretSources(n *v1alpha1.NATS) []*coreac.VolumeProjectionApplyConfiguration {
	var out []*coreac.VolumeProjectionApplyConfiguration
	// A Secret that is missing does not keep a collector from starting: it receives and decodes, and connects once the Secret
	// is there.
	add := func(secret string, items ...*coreac.KeyToPathApplyConfiguration) {
		out = append(out, coreac.VolumeProjection().
			WithSecret(coreac.SecretProjection().WithName(secret).WithItems(items...).WithOptional(true)))
	}
	one := func(k *v1alpha1.SecretKey, file string) {
		if k != nil {
			add(k.Name, coreac.KeyToPath().WithKey(k.Key).WithPath(file))
		}
	}
	if t := n.TLS; t != nil {
		one(t.CA, caFile)
		if t.ClientCertificate != nil {
			add(t.ClientCertificate.Name,
				coreac.KeyToPath().WithKey(corev1.TLSCertKey).WithPath(certificateFile),
				coreac.KeyToPath().WithKey(corev1.TLSPrivateKeyKey).WithPath(keyFile))
		}
	}
	one(n.Credentials, credentialsFile)
	one(n.NKey, seedFile)
	one(n.Token, tokenFile)
	if n.User != nil {
		one(&n.User.Password, passwordFile)
	}
	return out
}

func (v secretVolume) volume() *coreac.VolumeApplyConfiguration {
	return coreac.Volume().WithName(v.name).WithProjected(coreac.ProjectedVolumeSource().WithSources(v.sources...))
}

// convert turns a type of the API into its apply configuration: both have the same fields, but the latter knows which are set.
func convert[T any](from any) (*T, error) {
	b, err := json.Marshal(from)
	if err != nil {
		return nil, fmt.Errorf("writing %T: %w", from, err)
	}
	to := new(T)
	if err := json.Unmarshal(b, to); err != nil {
		return nil, fmt.Errorf("reading %T: %w", to, err)
	}
	return to, nil
}
