package v1alpha1

// NATS is one NATS server, or one cluster of servers, and how to connect to it.
//
// +kubebuilder:validation:XValidation:rule="!has(self.jetStreamDomain) || !has(self.apiPrefix)",message="choose one of jetStreamDomain and apiPrefix: a domain has a prefix of its own"
// +kubebuilder:validation:XValidation:rule="[has(self.credentials), has(self.nkey), has(self.token), has(self.user)].filter(x, x).size() <= 1",message="choose one of credentials, nkey, token and user"
type NATS struct {
	// urls of the servers: nats://, tls://, ws:// or wss://. They have no user or password: those come from Secrets. A host without
	// dots is a Service in the namespace of the FlowCollector. Default: nats://nats:4222.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:XValidation:rule="!self.contains('@')",message="a server's address has no user, password or token in it; name a Secret in credentials, nkey, token or user"
	// +kubebuilder:validation:items:XValidation:rule="self.contains('@') || isURL(self) && self.matches('^(nats|tls|ws|wss)://([[][0-9A-Fa-f:.]+[]]|[-A-Za-z0-9._]+)(:[0-9]{1,5})?/?$') && (url(self).getPort() == '' || int(url(self).getPort()) >= 1 && int(url(self).getPort()) <= 65535)",message="an address such as nats://nats.example:4222, tls://192.0.2.1:4222 or wss://[2001:db8::1]:443 is needed"
	// +kubebuilder:default={"nats://nats:4222"}
	// +kubebuilder:validation:XValidation:rule="self.all(u, u.startsWith('ws')) || self.all(u, !u.startsWith('ws'))",message="web socket addresses and others do not mix; choose one kind"
	URLs []string `json:"urls,omitempty"`

	// tls makes connections use TLS.
	// +optional
	TLS *TLS `json:"tls,omitempty"`

	// credentials selects the key of a Secret with a NATS credentials file (JWT and NKey seed).
	// +optional
	Credentials *SecretKey `json:"credentials,omitempty"`

	// nkey selects the key of a Secret with an NKey seed.
	// +optional
	NKey *SecretKey `json:"nkey,omitempty"`

	// token selects the key of a Secret with a token.
	// +optional
	Token *SecretKey `json:"token,omitempty"`

	// user is the name of a user, and its password.
	// +optional
	User *User `json:"user,omitempty"`

	// jetStreamDomain of the bucket and the stream, if it is not the domain of the servers in urls, as with leaf nodes. Default: the
	// servers' own.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[-_a-zA-Z0-9]+$`
	JetStreamDomain string `json:"jetStreamDomain,omitempty"`

	// apiPrefix of the subjects of JetStream's API, if an account imports the API under other subjects. Default: $JS.API.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[-_$a-zA-Z0-9]+(\.[-_$a-zA-Z0-9]+)*$`
	APIPrefix string `json:"apiPrefix,omitempty"`

	// inboxPrefix of the subjects that answers come on, for accounts whose users may subscribe to their own subjects only. Default:
	// _INBOX.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[-_a-zA-Z0-9]+(\.[-_a-zA-Z0-9]+)*$`
	InboxPrefix string `json:"inboxPrefix,omitempty"`
}

// TLS is how servers are checked, and how the client shows who it is.
type TLS struct {
	// ca selects the key of a Secret with the certificates (PEM) of the authorities that sign the servers' certificates. Default: the
	// authorities that the image has.
	// +optional
	CA *SecretKey `json:"ca,omitempty"`

	// clientCertificate names a Secret of the type kubernetes.io/tls (keys tls.crt and tls.key).
	// +optional
	ClientCertificate *SecretName `json:"clientCertificate,omitempty"`

	// serverName that the servers' certificates are checked against. Default: the host of the url.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ServerName string `json:"serverName,omitempty"`

	// handshakeFirst starts TLS before anything else, for servers with the setting handshake_first. Default false.
	// +optional
	HandshakeFirst bool `json:"handshakeFirst,omitempty"`
}

// User is a user with a password.
type User struct {
	// name of the user.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// password selects the key of a Secret.
	// +required
	Password SecretKey `json:"password"`
}

// SecretKey selects one key of a Secret in the namespace of the FlowCollector.
type SecretKey struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name"`

	// key in the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	Key string `json:"key"`
}

// SecretName names a Secret in the namespace of the FlowCollector.
type SecretName struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name"`
}

// Storage is where JetStream keeps messages.
//
// +kubebuilder:validation:Enum=File;Memory
type Storage string

// The storages.
const (
	StorageFile   Storage = "File"
	StorageMemory Storage = "Memory"
)

// DeletionPolicy says what happens to something in NATS when the FlowCollector is deleted.
//
// +kubebuilder:validation:Enum=Retain;Delete
type DeletionPolicy string

// The deletion policies.
const (
	DeletionRetain DeletionPolicy = "Retain"
	DeletionDelete DeletionPolicy = "Delete"
)
