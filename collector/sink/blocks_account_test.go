package sink

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/natstest"
)

// JetStream is another account's, whose API is imported under a prefix.
func TestBlocksAreMadeThroughAnotherAccount(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(file, []byte(`
accounts {
  HUB {
    jetstream: enabled
    users: [{user: admin, password: admin}]
    exports: [{service: "$JS.API.>", response_type: stream}, {service: "$KV.>"}, {service: "$JS.ACK.>"}]
  }
  FLEET {
    users: [{user: fleet, password: secret}]
    imports: [
      {service: {account: HUB, subject: "$JS.API.>"}, to: "hub.API.>"}
      {service: {account: HUB, subject: "$KV.>"}, to: "hub.API.$KV.>"}
      {service: {account: HUB, subject: "$JS.ACK.>"}}
    ]
  }
}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := natstest.Start(t, func(o *server.Options) { o.Accounts, o.Users = c.Accounts, c.Users })
	admin, err := jetstream.New(s.Connect(nats.UserInfo("admin", "admin")))
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, server: s, js: admin, memory: &memory{batches: make(map[string]string)}}
	b.makeStream()
	fleet, err := jetstream.NewWithAPIPrefix(s.Connect(nats.UserInfo("fleet", "secret")), "hub.API")
	if err != nil {
		t.Fatal(err)
	}
	b.js = fleet
	h := b.hand(inBlocks())
	b.js = admin
	b.publishNumbered(0, 10)
	h.begin(h.take(10)) // and it ends
	b.js = fleet
	sink, stop := b.start(inBlocks())
	b.js = admin
	b.publishNumbered(10, 10)
	books := b.ends(stop, 20)
	if state := sink.State(); state.Noting+state.Fetching != "" || books.InBlocks.Messages < 10 {
		t.Errorf("%+v, %+v, %v", state, books, b.memory.blocks())
	}
}
