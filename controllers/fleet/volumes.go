package fleet

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"path"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// volumes of a pod: the configuration, the Secrets of each NATS section, and the spool. The user's own come after them.
func (f *Fleet) volumes() []*coreac.VolumeApplyConfiguration {
	out := []*coreac.VolumeApplyConfiguration{coreac.Volume().
		WithName(configurationVolume).
		WithConfigMap(coreac.ConfigMapVolumeSource().WithName(ObjectName(f.Collector)))}
	for _, v := range f.secretVolumes() {
		out = append(out, v.sources.Volume(v.name))
	}
	if from := f.Collector.Spec.Exporters.NamesFrom; from != nil {
		// A ConfigMap that is missing does not keep a collector from starting: its names are taken up once it is there.
		out = append(out, coreac.Volume().WithName(namesVolume).WithConfigMap(coreac.ConfigMapVolumeSource().WithName(from.Name).
			WithOptional(true).WithItems(coreac.KeyToPath().WithKey(cmp.Or(from.Key, namesFile)).WithPath(namesFile))))
	}
	if s := f.Collector.Spec.Output.Buffer.Spool; s != nil {
		out = append(out, f.spool(s))
	}
	return out
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
	sources SecretFiles
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

func secretSources(n *v1alpha1.NATS) SecretFiles {
	var out SecretFiles
	if t := n.TLS; t != nil {
		out.Key(t.CA, CAFile)
		out.Certificate(t.ClientCertificate)
	}
	out.Key(n.Credentials, credentialsFile)
	out.Key(n.NKey, seedFile)
	out.Key(n.Token, tokenFile)
	if n.User != nil {
		out.Key(&n.User.Password, PasswordFile)
	}
	return out
}

// SecretFiles are files that Secrets are mounted as. A Secret that is missing does not keep a pod from starting: it goes on, and connects
// once the Secret is there.
type SecretFiles []*coreac.VolumeProjectionApplyConfiguration

// Key adds the file of one key, none where k is nil.
func (f *SecretFiles) Key(k *v1alpha1.SecretKey, file string) {
	if k != nil {
		f.add(k.Name, coreac.KeyToPath().WithKey(k.Key).WithPath(secretFile(k.Name, k.Key, file)))
	}
}

// Certificate adds CertificateFile and KeyFile of a Secret of the type kubernetes.io/tls, none where s is nil.
func (f *SecretFiles) Certificate(s *v1alpha1.SecretName) {
	if s != nil {
		f.add(s.Name,
			coreac.KeyToPath().WithKey(corev1.TLSCertKey).WithPath(secretFile(s.Name, corev1.TLSCertKey, CertificateFile)),
			coreac.KeyToPath().WithKey(corev1.TLSPrivateKeyKey).WithPath(secretFile(s.Name, corev1.TLSPrivateKeyKey, KeyFile)))
	}
}

func (f *SecretFiles) add(secret string, items ...*coreac.KeyToPathApplyConfiguration) {
	*f = append(*f, coreac.VolumeProjection().
		WithSecret(coreac.SecretProjection().WithName(secret).WithItems(items...).WithOptional(true)))
}

// secretFile is the name of the file that a key of a Secret is mounted as. It tells of which Secret: a container that starts anew in a pod that
// was made with another one reads a configuration of now, and is not to send that other one where this one goes. Its author may choose the key:
// nobody finds one with the same 128 bits.
func secretFile(secret, key, file string) string {
	sum := sha256.Sum256([]byte(secret + "/" + key))
	return hex.EncodeToString(sum[:16]) + "-" + file
}

// KeyPath is where a container has the file of a key of a Secret that a volume was given with SecretFiles.Key.
func KeyPath(volume string, k *v1alpha1.SecretKey, file string) string {
	return path.Join(SecretsDirectory, volume, secretFile(k.Name, k.Key, file))
}

// CertificatePaths are where it has those of SecretFiles.Certificate.
func CertificatePaths(volume string, s *v1alpha1.SecretName) (certificate, key string) {
	at := path.Join(SecretsDirectory, volume)
	return path.Join(at, secretFile(s.Name, corev1.TLSCertKey, CertificateFile)), path.Join(at, secretFile(s.Name, corev1.TLSPrivateKeyKey, KeyFile))
}

// Volume of the files.
func (f SecretFiles) Volume(name string) *coreac.VolumeApplyConfiguration {
	return coreac.Volume().WithName(name).WithProjected(coreac.ProjectedVolumeSource().WithSources(f...))
}

// Mount of the Volume of that name.
func (f SecretFiles) Mount(name string) *coreac.VolumeMountApplyConfiguration {
	return coreac.VolumeMount().WithName(name).WithMountPath(path.Join(SecretsDirectory, name)).WithReadOnly(true)
}
