// Package status is what a collector says of itself in one small JSON document, and how that is written and read.
//
// Collectors serve it on Path, beside their metrics. The operator reads it instead of the page of metrics, which grows with the
// exporters to megabytes. Both sides hold it to MaxBytes: a reader never trusts what a pod answers.
package status

import "time"

const (
	// Path of the document on the port of the metrics.
	Path = "/status"
	// Version of the form below. A reader takes documents of its own version and of newer ones: fields are added, never given another
	// meaning.
	Version = 1
	// MaxBytes bounds the document as it is sent.
	MaxBytes = 64 << 10
)

// Bounds of lists and texts. What is left out is counted where the document says so.
const (
	// MaxListeners of a document.
	MaxListeners = 32
	// MaxSenders of a document: those that sent most.
	MaxSenders = 128
	// MaxReasons of one map of figures by reason or protocol.
	MaxReasons = 32
	// MaxText is for one text, in bytes.
	MaxText = 512
)

// Document is how a collector is. Figures count since its start unless their name says otherwise.
type Document struct {
	// Version of this form.
	Version int `json:"version"`
	// Instance as the configuration has it: the pod's name, in Kubernetes.
	Instance string `json:"instance"`
	// Build is the program's version.
	Build string `json:"build"`
	// Started and Time are by the collector's clock: when it began, and now.
	Started time.Time `json:"started"`
	Time    time.Time `json:"time"`
	// Configuration is the version of the file whose configuration is in force (config.FileVersion): of what can change live, while it runs, and
	// of the rest since its start. It is empty where it does not say: without a file, and in former versions.
	Configuration string `json:"configuration,omitempty"`
	// Begun is false while it still binds and connects: what follows is then not known yet.
	Begun bool `json:"begun"`
	// Ready is what /readyz says; NotReady has its reasons.
	Ready    bool   `json:"ready"`
	NotReady string `json:"notReady,omitempty"`
	// Bucket is nil where nothing is shared.
	Bucket *Bucket `json:"bucket,omitempty"`
	Output Output  `json:"output"`
	// Spool is nil where none is configured.
	Spool *Spool `json:"spool,omitempty"`
	// Listeners, up to MaxListeners; ListenersLeftOut is how many more there are.
	Listeners        []Listener `json:"listeners,omitempty"`
	ListenersLeftOut int        `json:"listenersLeftOut,omitempty"`
	// Known of exporters.
	Known Known `json:"known"`
	// Records decoded, by protocol as in the labels of metrics. They lag the listeners' figures by some seconds.
	Records map[string]uint64 `json:"records,omitempty"`
	// Senders that sent most since the start, most first, up to MaxSenders; SendersTotal is how many have figures of their own
	// (exporters.limits.exporterMetrics bounds that).
	Senders      []Sender `json:"senders,omitempty"`
	SendersTotal int      `json:"sendersTotal"`
}

// Bucket is how the collector stands to the bucket of definitions.
type Bucket struct {
	Name string `json:"name"`
	// Connected to its server now.
	Connected bool `json:"connected"`
	// Loaded: it was read at least once, so that all that it held is known here. Read: reading works now: the watch stands and the
	// last listing went well.
	Loaded bool `json:"loaded"`
	Read   bool `json:"read"`
	// Write: the last attempt to write went well, or there was none.
	Write bool `json:"write"`
	// Keys that it holds, as far as they are known here; Queue are changes that wait to be written.
	Keys  int `json:"keys"`
	Queue int `json:"queue"`
	// Writes that the bucket took, and WriteErrors.
	Writes      uint64 `json:"writes"`
	WriteErrors uint64 `json:"writeErrors"`
	// Overflows of the queue: written with the next listing.
	Overflows uint64 `json:"overflows"`
	// LastError is empty when the last attempt went well.
	LastError string `json:"lastError,omitempty"`
}

// Output is how publishing goes, in records.
type Output struct {
	// Kind as the configuration has it: JetStream, File, Stdout or None. Stream is empty for other kinds than JetStream.
	Kind   string `json:"kind"`
	Stream string `json:"stream,omitempty"`
	// Connected to its server now; StreamReady: the stream was found or made, and takes what is sent.
	Connected   bool `json:"connected"`
	StreamReady bool `json:"streamReady"`
	// Published records, those that wait in memory and those on disk now, and those that were given up, by reason.
	Published uint64            `json:"published"`
	Waiting   uint64            `json:"waiting"`
	Spooled   uint64            `json:"spooled"`
	Dropped   map[string]uint64 `json:"dropped,omitempty"`
	// Failures are messages that were refused, or not acknowledged in time; Retries were sent again.
	Failures uint64 `json:"failures"`
	Retries  uint64 `json:"retries"`
	// BufferBytes wait for their acknowledgement in memory.
	BufferBytes int64 `json:"bufferBytes"`
	// LastError is empty when the last attempt went well.
	LastError string `json:"lastError,omitempty"`
}

// Spool is the state of what waits on disk.
type Spool struct {
	Usable bool  `json:"usable"`
	Bytes  int64 `json:"bytes"`
	// Error says why it cannot be used, empty where it can.
	Error string `json:"error,omitempty"`
}

// Listener is one port.
type Listener struct {
	Name     string `json:"name"`
	Protocol string `json:"protocol"`
	// Datagrams received and decoded, and refused by reason.
	Received uint64            `json:"received"`
	Decoded  uint64            `json:"decoded"`
	Refused  map[string]uint64 `json:"refused,omitempty"`
	// KernelDropped datagrams were never received: the receive buffer was full.
	KernelDropped uint64 `json:"kernelDropped"`
	// Sets that wait for their template now, and those that expired or were dropped, by reason.
	SetsWaiting uint64            `json:"setsWaiting"`
	SetsExpired map[string]uint64 `json:"setsExpired,omitempty"`
	SetsDropped map[string]uint64 `json:"setsDropped,omitempty"`
	// Records decoded.
	Records uint64 `json:"records"`
	// Sockets is the number of workers of the port. A worker may have several of the kernel's sockets.
	Sockets int `json:"sockets"`
	// AskedBytes of receive buffer for each worker, and GrantedBytes: what the worker that got least has in all its sockets, as it would be
	// asked for (the kernel doubles that for its own use).
	AskedBytes   int64 `json:"receiveBufferAskedBytes"`
	GrantedBytes int64 `json:"receiveBufferGrantedBytes"`
}

// Known is how much is known of exporters now, of the whole fleet's.
type Known struct {
	Exporters     int `json:"exporters"`
	Templates     int `json:"templates"`
	SamplingRates int `json:"samplingRates"`
}

// Sender is an address that flows came from.
type Sender struct {
	Address string `json:"address"`
	// Datagrams that were decoded.
	Datagrams uint64 `json:"datagrams"`
	// Ports and Domains are how many different ones were heard of in the last minutes: many behind one address are several exporters
	// whose addresses were replaced on the way, or one with many line cards.
	Ports   int `json:"ports"`
	Domains int `json:"domains"`
}
