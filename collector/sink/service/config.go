// Package service is the process "collector sink": its file, its metrics, its life.
package service

import (
	"cmp"
	_ "embed"
	"fmt"
	"os"
	"path"
	"regexp"
	"time"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/sink"
	"github.com/flowfleet/flowfleet/collector/sink/clickhouse"
	"github.com/flowfleet/flowfleet/collector/status"
)

//go:embed example.yaml
var example []byte

// Example is a complete file with comments.
func Example() []byte { return example }

// BookmarkDirectory is where the operator puts a bookmark.
const BookmarkDirectory = "/etc/flowfleet-bookmark"

// Config is the file of "collector sink". A zero value means "the default".
type Config struct {
	NATS config.NATS `json:"nats,omitempty"`
	// Stream, default "flows", and Consumer, default "clickhouse".
	Stream   string `json:"stream,omitempty"`
	Consumer string `json:"consumer,omitempty"`
	// FilterSubjects and AckWait, default 1m, of a consumer that is made.
	FilterSubjects []string        `json:"filterSubjects,omitempty"`
	AckWait        config.Duration `json:"ackWait,omitempty"`
	// Workers, 1 to 256, default 4: messages at a time.
	Workers int `json:"workers,omitempty"`
	// Blocks, if set, has several messages stored as one.
	Blocks *Blocks `json:"blocks,omitempty"`
	// BookmarkFile, default /etc/flowfleet-bookmark/bookmark.json, says how far sinks had come, where the consumer is missing. It need not be
	// there: it is the operator's.
	BookmarkFile string            `json:"bookmarkFile,omitempty"`
	Refused      Refused           `json:"refused,omitempty"`
	ClickHouse   clickhouse.Config `json:"clickhouse"`
	HTTP         config.HTTP       `json:"http,omitempty"`
	Log          config.Log        `json:"log,omitempty"`
}

// Blocks bound what is stored at once.
type Blocks struct {
	// MaxBytes, 64Ki to 8Mi, default 4Mi: more than the largest message of the stream. A worker holds up to three times as many.
	MaxBytes config.Size `json:"maxBytes,omitempty"`
	// MaxAge, 50ms to 10s, default 1s: how long a message waits for others.
	MaxAge config.Duration `json:"maxAge,omitempty"`
}

// Refused says where messages go that the destination will never take.
type Refused struct {
	// Subject, default flowfleet.refused.<consumer>, which the stream that is read must not take.
	Subject string `json:"subject,omitempty"`
	// Stream with that subject, default <stream>-refused.
	Stream string `json:"stream,omitempty"`
}

// Load reads a file, fills in defaults and checks it. The error is a *config.Invalid where the content is at fault.
func Load(path string) (*Config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w; \"collector sink example\" prints one to begin with", err)
	}
	var c Config
	if problems := config.ParseInto(b, &c); len(problems) > 0 {
		return nil, &config.Invalid{Problems: problems}
	}
	return &c, nil
}

// SetDefaults fills in what the file leaves out.
func (c *Config) SetDefaults() {
	standard := func(s *string, to string) {
		if *s == "" {
			*s = to
		}
	}
	standard(&c.Stream, "flows")
	standard(&c.Consumer, "clickhouse")
	standard(&c.Refused.Subject, "flowfleet.refused."+c.Consumer)
	standard(&c.Refused.Stream, c.Stream+"-refused")
	standard(&c.BookmarkFile, path.Join(BookmarkDirectory, status.BookmarkFile))
	if c.AckWait == 0 {
		c.AckWait = config.Duration(time.Minute)
	}
	if c.Workers == 0 {
		c.Workers = 4
	}
	if b := c.Blocks; b != nil {
		b.MaxBytes = cmp.Or(b.MaxBytes, 4<<20)
		b.MaxAge = cmp.Or(b.MaxAge, config.Duration(time.Second))
	}
	c.ClickHouse.SetDefaults()
	config.SetServiceDefaults(&c.HTTP, &c.Log)
}

var (
	// name of a stream or consumer, as the server takes it.
	name    = regexp.MustCompile(`^[^\s.*>/\\]{1,255}$`)
	subject = regexp.MustCompile(`^[^\s.*>]+(\.[^\s.*>]+)*$`)
	filter  = regexp.MustCompile(`^[^\s.]+(\.[^\s.]+)*$`)
)

// Check reports all problems of a file whose defaults are filled in. It reads no files.
func (c *Config) Check() []config.Problem {
	problems := config.CheckService(&c.NATS, &c.HTTP, &c.Log)
	that := func(ok bool, path, message string) {
		if !ok {
			problems = append(problems, config.Problem{Path: path, Message: message})
		}
	}
	const aName = "give a name without blanks, \".\", \"*\", \">\", \"/\" and \"\\\""
	that(name.MatchString(c.Stream), "stream", aName)
	that(name.MatchString(c.Consumer), "consumer", aName)
	that(name.MatchString(c.Refused.Stream), "refused.stream", aName)
	that(c.Refused.Stream != c.Stream, "refused.stream", "it must be another stream than the one that is read")
	that(subject.MatchString(c.Refused.Subject), "refused.subject", "give a subject without wildcards")
	for i, f := range c.FilterSubjects {
		that(filter.MatchString(f), fmt.Sprintf("filterSubjects[%d]", i), "give a subject such as flows.*.*.ipfix")
	}
	that(c.AckWait >= config.Duration(time.Second) && c.AckWait <= config.Duration(time.Hour), "ackWait", "give 1s to 1h")
	that(c.Workers >= 1 && c.Workers <= 256, "workers", "give 1 to 256")
	if b := c.Blocks; b != nil {
		that(b.MaxBytes >= 64<<10 && b.MaxBytes <= 8<<20, "blocks.maxBytes", "give 64Ki to 8Mi")
		that(b.MaxAge >= config.Duration(50*time.Millisecond) && b.MaxAge <= config.Duration(10*time.Second), "blocks.maxAge", "give 50ms to 10s")
	}
	return append(problems, c.ClickHouse.Check("clickhouse")...)
}

func (c *Config) options() sink.Options {
	o := sink.Options{Stream: c.Stream, Consumer: c.Consumer, FilterSubjects: c.FilterSubjects, AckWait: c.AckWait.Std(),
		Workers: c.Workers, BookmarkFile: c.BookmarkFile, RefusedSubject: c.Refused.Subject, RefusedStream: c.Refused.Stream}
	if b := c.Blocks; b != nil {
		o.Blocks = &sink.Blocks{MaxBytes: int(b.MaxBytes), MaxAge: b.MaxAge.Std()}
	}
	return o
}
