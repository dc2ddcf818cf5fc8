// Package config is the collector's configuration file: one schema, read by the collector and rendered by the operator.
//
// A zero value means "the default": Default fills it in, Check reports every problem of a file at once.
package config

import "net/netip"

// Config is the whole file.
type Config struct {
	// Name identifies the fleet; it is the third token of the default subjects. DNS label, default "collector".
	Name string `json:"name,omitempty"`
	// Namespace is the second token of the default subjects. DNS label, default "default".
	Namespace string `json:"namespace,omitempty"`
	// Instance tells collectors of one fleet apart (writer of shared values, message ids). Default: the host name.
	Instance string `json:"instance,omitempty"`

	Listeners []Listener `json:"listeners,omitempty"`
	Exporters Exporters  `json:"exporters,omitempty"`
	Decoding  Decoding   `json:"decoding,omitempty"`
	// NATS is the server for both templates and flows, unless a section names its own.
	NATS      NATS          `json:"nats,omitempty"`
	Templates TemplateStore `json:"templateStore,omitempty"`
	Output    Output        `json:"output,omitempty"`
	HTTP      HTTP          `json:"http,omitempty"`
	Log       Log           `json:"log,omitempty"`
	// DrainTime is how long the collector keeps reading after SIGTERM; after a third of it, it is not ready any more. Default 5s.
	DrainTime Duration `json:"drainTime,omitempty"`
}

// Protocol is what a listener expects.
type Protocol string

// The protocols of a listener. Auto tells them apart by their version field.
const (
	ProtocolAuto    Protocol = "Auto"
	ProtocolNetFlow Protocol = "NetFlow" // versions 1 and 5 to 9
	ProtocolIPFIX   Protocol = "IPFIX"
	ProtocolSFlow   Protocol = "SFlow"
)

// Listener is one UDP port.
type Listener struct {
	// Name is unique, a DNS label; it labels metrics.
	Name string `json:"name"`
	// Address to bind, "host:port" or ":port" (both families). Required.
	Address string `json:"address"`
	// Protocol expected; datagrams of another one are refused and counted. Default Auto.
	Protocol Protocol `json:"protocol,omitempty"`
	// Workers is the number of sockets (SO_REUSEPORT) and goroutines. Default: the number of processors, at most 8.
	Workers int `json:"workers,omitempty"`
	// Sockets are the kernel's for each worker; the datagrams of each exporter are spread over those of one worker. 0, the default:
	// one, or, where the kernel does not grant one ReceiveBuffer, as many as it takes to have it, up to 32.
	Sockets int `json:"sockets,omitempty"`
	// ReceiveBuffer is the socket's receive buffer in bytes. Default 32Mi.
	ReceiveBuffer Size `json:"receiveBuffer,omitempty"`
}

// TemplateScope says what identifies the owner of a template beside protocol version and observation domain.
type TemplateScope string

// The template scopes.
const (
	// ScopeAuto looks up by address and port, then takes what the address's ports agree on.
	ScopeAuto TemplateScope = "Auto"
	// ScopeAddress ignores the port.
	ScopeAddress TemplateScope = "Address"
	// ScopeAddressPort requires the port.
	ScopeAddressPort TemplateScope = "AddressPort"
)

// Exporters says who may send, and what is kept of each.
type Exporters struct {
	// AllowedNetworks lists the networks whose datagrams are decoded; empty allows all. Live.
	AllowedNetworks []netip.Prefix `json:"allowedNetworks,omitempty"`
	// TemplateScope, default Auto. Needs a restart.
	TemplateScope TemplateScope `json:"templateScope,omitempty"`
	Sampling      Sampling      `json:"sampling,omitempty"`
	Limits        Limits        `json:"limits,omitempty"`
	Held          Held          `json:"heldData,omitempty"`
	// Names of exporters by network; the longest that contains the exporter counts. Live.
	Names []ExporterName `json:"names,omitempty"`
	// NamesFile is a CSV file with names of interfaces and others (exporter, table, key, name, description), which is read again when
	// it changes. Default: none. Live.
	NamesFile string `json:"namesFile,omitempty"`
	// NamePreference, default Configured: what Names and NamesFile say counts before what the exporter says. Live.
	NamePreference NamePreference `json:"namePreference,omitempty"`
	// Devices have settings of their own, which count before those of networks; up to MaxDevices. For sFlow, what is set for the agent's own
	// address counts before what its sender's device has. Live.
	Devices []Device `json:"devices,omitempty"`
}

// Sampling configures rates by the exporter's network; the longest matching prefix wins. Live.
type Sampling struct {
	// Defaults apply where the exporter announced no rate.
	Defaults []NetworkRate `json:"defaults,omitempty"`
	// Overrides apply whatever the exporter announced.
	Overrides []NetworkRate `json:"overrides,omitempty"`
}

// NetworkRate is the sampling rate of the exporters in a network.
type NetworkRate struct {
	Network netip.Prefix `json:"network"`
	// Rate: one of so many packets is sampled. 1 to 4294967295.
	Rate uint32 `json:"rate"`
}

// Limits bound what exporters can make the collector hold. Live.
type Limits struct {
	// Exporters remembered (scopes: protocol version, address, observation domain); the least recently seen goes first.
	// Default 65536.
	Exporters int `json:"exporters,omitempty"`
	// TemplatesPerExporter, default 1024.
	TemplatesPerExporter int `json:"templatesPerExporter,omitempty"`
	// FieldsPerTemplate, default 512.
	FieldsPerTemplate int `json:"fieldsPerTemplate,omitempty"`
	// SamplesPerDatagram bounds sFlow samples, default 512.
	SamplesPerDatagram int `json:"samplesPerDatagram,omitempty"`
	// ExporterMetrics bounds exporters with series of their own, beside Devices; the rest share one. Default 1000.
	ExporterMetrics int `json:"exporterMetrics,omitempty"`
}

// Held bounds the data sets that wait for their template. Live.
type Held struct {
	// Disabled drops undecodable sets at once.
	Disabled bool `json:"disabled,omitempty"`
	// MaxBytes in all, default 64Mi.
	MaxBytes Size `json:"maxBytes,omitempty"`
	// MaxBytesPerExporter is how many bytes each port and domain of an exporter may have; who has more in all of them makes room first.
	// Default 1Mi.
	MaxBytesPerExporter Size `json:"maxBytesPerExporter,omitempty"`
	// MaxAge of a held set, default 5m.
	MaxAge Duration `json:"maxAge,omitempty"`
}

// Decoding chooses what is read beyond FlowMessage.
type Decoding struct {
	// ExtraFields keeps fields that FlowMessage has no place for (JSON "fields", protobuf numbers from 100000).
	ExtraFields bool `json:"extraFields,omitempty"`
	// DeltaCountsOnly leaves bytes and packets 0 where a template has no octetDeltaCount and packetDeltaCount. By default
	// other counters stand in for them: after the device's treatment (elements 23, 24), in total (85, 86), from the
	// initiator (231, 298).
	DeltaCountsOnly bool `json:"deltaCountsOnly,omitempty"`
	// Biflows makes two flows of a record that counts both directions (RFC 5103, and initiator and responder of firewalls): the second
	// from destination to source. By default it is one flow, of the forward direction.
	Biflows bool `json:"biflows,omitempty"`
	// InnerHeaders reports the addresses inside GRE, ERSPAN, VXLAN, Geneve, GTP, MPLS and IP-in-IP in place of the outer ones.
	InnerHeaders bool `json:"innerHeaders,omitempty"`
	// Names are those that flows carry: what exporters, or the configuration, say that numbers mean. Default StandardNames; an empty
	// list is none, and then nothing is learned.
	Names []NameKind `json:"names,omitzero"`
}

// NATS says how to reach a server.
type NATS struct {
	// URLs, such as nats://nats:4222 or tls://nats:4222.
	URLs []string `json:"urls,omitempty"`
	// Embedded starts a server with JetStream inside the collector; URLs must then be empty.
	Embedded *Embedded `json:"embedded,omitempty"`
	TLS      *TLS      `json:"tls,omitempty"`
	// One of the following, or none. Files, so that no secret stands in the configuration; they are read again at each
	// connection attempt.
	CredentialsFile string `json:"credentialsFile,omitempty"`
	NKeySeedFile    string `json:"nkeySeedFile,omitempty"`
	TokenFile       string `json:"tokenFile,omitempty"`
	User            string `json:"user,omitempty"`
	PasswordFile    string `json:"passwordFile,omitempty"`
	// Domain of JetStream where it is another one than that of the servers, as with leaf nodes. It excludes APIPrefix.
	Domain string `json:"jetStreamDomain,omitempty"`
	// APIPrefix of JetStream's subjects where an account imports them under other ones. Default $JS.API.
	APIPrefix string `json:"apiPrefix,omitempty"`
	// InboxPrefix of the subjects that answers come on. Default _INBOX.
	InboxPrefix string `json:"inboxPrefix,omitempty"`
}

// TLS names PEM files; they are read again at each connection attempt.
type TLS struct {
	CAFile   string `json:"caFile,omitempty"`
	CertFile string `json:"certFile,omitempty"`
	KeyFile  string `json:"keyFile,omitempty"`
	// ServerName overrides the name that the certificate is checked against.
	ServerName string `json:"serverName,omitempty"`
	// HandshakeFirst begins with TLS, for servers with handshake_first.
	HandshakeFirst bool `json:"handshakeFirst,omitempty"`
}

// Embedded configures the server inside the collector.
type Embedded struct {
	// Address to listen on, default 127.0.0.1:4222.
	Address string `json:"address,omitempty"`
	// StoreDir keeps streams and buckets. Required.
	StoreDir string `json:"storeDir"`
}

// Storage of a stream or bucket.
type Storage string

// The storages.
const (
	StorageFile   Storage = "File"
	StorageMemory Storage = "Memory"
)

// TemplateStore is the JetStream key-value bucket that collectors share. Changes need a restart.
type TemplateStore struct {
	// Disabled keeps what is learned in this process only.
	Disabled bool `json:"disabled,omitempty"`
	// Bucket name, default "flowfleet-templates". Letters, digits, "-" and "_".
	Bucket string `json:"bucket,omitempty"`
	// Owner is the fleet that the bucket is of, as namespace/name of its FlowCollector. A bucket that says in its metadata that
	// it is another fleet's is not used; one that says nothing is. Default: none, for collectors without an operator, which use
	// no bucket of an operator's.
	Owner string `json:"owner,omitempty"`
	// History of each key, 1 to 64, default 1.
	History int `json:"history,omitempty"`
	// TTL is how long what no exporter says is kept, default 720h (30 days), at least 10m; what is heard is written again at half of it.
	TTL Duration `json:"ttl,omitempty"`
	// Replicas 1, 3 or 5; default 1.
	Replicas int `json:"replicas,omitempty"`
	// Storage, default File.
	Storage Storage `json:"storage,omitempty"`
	// MaxBytes of the bucket; -1 for no limit. 0 (the default) makes it 256Mi, or less where the server has no room for that, and
	// leaves the size of one that exists alone.
	MaxBytes Size `json:"maxBytes,omitempty"`
	// LoadTimeout is how long readiness waits for the bucket at start. Default 30s.
	LoadTimeout Duration `json:"loadTimeout,omitempty"`
	// NATS, when set, replaces the file's nats section for the bucket.
	NATS *NATS `json:"nats,omitempty"`
}

// OutputKind is where flows go.
type OutputKind string

// The outputs.
const (
	OutputJetStream OutputKind = "JetStream"
	OutputStdout    OutputKind = "Stdout"
	OutputFile      OutputKind = "File"
	OutputNone      OutputKind = "None"
)

// Encoding of flows.
type Encoding string

// The encodings: length-delimited protobuf (goflow2's flowpb.FlowMessage) or JSON lines (goflow2's field names).
const (
	EncodingProtobuf Encoding = "Protobuf"
	EncodingJSON     Encoding = "JSON"
)

// Ledger says which records of the ledger are published.
type Ledger string

// What is published of the ledger: nothing, or what was counted in each minute.
const (
	LedgerNone    Ledger = "None"
	LedgerMinutes Ledger = "Minutes"
)

// LedgerToken is appended to the subject of flows for records of the ledger.
const LedgerToken = "ledger"

// LedgerSubject is the subject of its records.
func (o *Output) LedgerSubject() string { return o.Subject + "." + LedgerToken }

// NameRecords says which names are published beside the flows.
type NameRecords string

// What is published of names: nothing, or each row that an exporter changes.
const (
	NameRecordsNone    NameRecords = "None"
	NameRecordsChanges NameRecords = "Changes"
)

// NamesToken is appended to the subject of flows for records of names.
const NamesToken = "names"

// NamesSubject is the subject of their records.
func (o *Output) NamesSubject() string { return o.Subject + "." + NamesToken }

// DropPolicy says what gives way when the buffer is full.
type DropPolicy string

// The drop policies.
const (
	DropOldest DropPolicy = "dropOldest"
	DropNewest DropPolicy = "dropNewest"
	// Block stops reading from the sockets; the kernel then drops, and that is counted.
	Block DropPolicy = "block"
)

// Output says where flows go, and how.
type Output struct {
	// Kind, default JetStream.
	Kind OutputKind `json:"kind,omitempty"`
	// Encoding, default Protobuf (JSON for Stdout).
	Encoding Encoding `json:"encoding,omitempty"`
	// ScaledVolumes adds scaled_bytes and scaled_packets to each line of JSON: what was sent times the sampling rate, or null where that is
	// not known. Default false.
	ScaledVolumes bool `json:"scaledVolumes,omitempty"`
	// File is the path for kind File; it is appended to.
	File string `json:"file,omitempty"`
	// Subject prefix; the protocol (netflow5, netflow9, ipfix, sflow) is appended. Default flows.<namespace>.<name>.
	Subject string `json:"subject,omitempty"`
	// Ledger says whether the books are published too, on Subject with LedgerToken appended. Default None.
	Ledger Ledger `json:"ledger,omitempty"`
	// Names says whether changes of names are published too, on Subject with NamesToken appended. Default None.
	Names  NameRecords `json:"names,omitempty"`
	Stream Stream      `json:"stream,omitempty"`
	Batch  Batch       `json:"batch,omitempty"`
	Buffer Buffer      `json:"buffer,omitempty"`
	// NATS, when set, replaces the file's nats section for flows.
	NATS *NATS `json:"nats,omitempty"`
}

// Stream is created when it is missing; an existing one is never lowered.
type Stream struct {
	// Name, default "flows". Unmanaged leaves creation to somebody else.
	Name      string `json:"name,omitempty"`
	Unmanaged bool   `json:"unmanaged,omitempty"`
	// Subjects, default "flows.>" .
	Subjects []string `json:"subjects,omitempty"`
	// MaxAge of a message. 0 (the default) makes it 24h, and leaves that of one that exists alone: for ever is a long one.
	MaxAge Duration `json:"maxAge,omitempty"`
	// MaxBytes of the stream; -1 for no limit. 0 (the default) makes it 10Gi, or less where the server has no room for that, and
	// leaves the size of one that exists alone.
	MaxBytes Size `json:"maxBytes,omitempty"`
	// Replicas 1, 3 or 5; default 1.
	Replicas int     `json:"replicas,omitempty"`
	Storage  Storage `json:"storage,omitempty"`
	// Retention, default Limits.
	Retention Retention `json:"retention,omitempty"`
	// Compression on disk. Empty (the default) makes it None, and leaves that of one that exists alone.
	Compression Compression `json:"compression,omitempty"`
	// Discard says what gives way when MaxBytes is reached. New makes the stream refuse, so that flows wait. Empty (the default) makes it
	// Old, and leaves that of one that exists alone.
	Discard Discard `json:"discard,omitempty"`
	// DuplicateWindow is how long the stream knows messages by their ids, 100ms to 1h, at most MaxAge. 0 (the default) makes it
	// 2m, or MaxAge where that is less, and leaves that of one that exists alone.
	DuplicateWindow Duration `json:"duplicateWindow,omitempty"`
	// Placement, nil for any servers.
	Placement *Placement `json:"placement,omitempty"`
}

// Compression of a stream on disk.
type Compression string

// The compressions.
const (
	CompressionNone Compression = "None"
	CompressionS2   Compression = "S2"
)

// Discard says what gives way when a stream is full.
type Discard string

// The ways to discard.
const (
	DiscardOld Discard = "Old"
	DiscardNew Discard = "New"
)

// Placement chooses the servers of a stream: of a cluster, and with all of these tags.
type Placement struct {
	Cluster string   `json:"cluster,omitempty"`
	Tags    []string `json:"tags,omitempty"`
}

// Retention says when a stream lets go of a message, beside its limits (maxAge, maxBytes).
type Retention string

// The retentions.
const (
	// RetentionLimits keeps messages until a limit is reached.
	RetentionLimits Retention = "Limits"
	// RetentionInterest keeps messages until every consumer has acknowledged them, and none without a consumer.
	RetentionInterest Retention = "Interest"
	// RetentionWorkQueue keeps messages until one consumer has acknowledged them.
	RetentionWorkQueue Retention = "WorkQueue"
)

// Batch bounds one message.
type Batch struct {
	// MaxBytes of a message's payload, default 64Ki, at most 900Ki (NATS refuses over 1 MiB by default).
	MaxBytes Size `json:"maxBytes,omitempty"`
	// MaxAge of the oldest record of a message, default 200ms.
	MaxAge Duration `json:"maxAge,omitempty"`
}

// Buffer bounds what waits for JetStream.
type Buffer struct {
	// MaxBytes of batches that are not acknowledged yet, in memory. Default 256Mi.
	MaxBytes Size `json:"maxBytes,omitempty"`
	// InFlightBytes sent and not acknowledged at a time. Default 16Mi. With a Spool at most a quarter of MaxBytes: what is in
	// flight cannot go to disk.
	InFlightBytes Size `json:"inFlightBytes,omitempty"`
	// Policy, default dropOldest. With a Spool it applies when that is full too.
	Policy DropPolicy `json:"policy,omitempty"`
	// Spool, when set, takes to disk what memory has no room for, or has kept for too long.
	Spool *Spool `json:"spool,omitempty"`
}

// Spool bounds what waits for JetStream on disk. What it holds outlives the process.
type Spool struct {
	// Directory of this collector's own; it is created when missing. Required.
	Directory string `json:"directory"`
	// MaxBytes on disk, default 4Gi, at least 64Mi.
	MaxBytes Size `json:"maxBytes,omitempty"`
	// After is how long a batch waits in memory before it is written to disk: what a crash can lose while JetStream is
	// away. Default 2s.
	After Duration `json:"after,omitempty"`
	// ResendBytesPerSecond is how fast what was spooled is sent, beside live data and after it. Default 32Mi.
	ResendBytesPerSecond Size `json:"resendBytesPerSecond,omitempty"`
}

// HTTP serves /metrics, /healthz, /readyz.
type HTTP struct {
	// Address, default ":8080"; "-" serves nothing.
	Address string `json:"address,omitempty"`
	// Profiling adds /debug/pprof/.
	Profiling bool `json:"profiling,omitempty"`
	// MaxConnections at a time; more are refused at once. Default 64.
	MaxConnections int `json:"maxConnections,omitempty"`
}

// Log goes to standard error.
type Log struct {
	// Level: debug, info (default), warn or error. Live.
	Level string `json:"level,omitempty"`
	// Format: json (default) or text.
	Format string `json:"format,omitempty"`
}
