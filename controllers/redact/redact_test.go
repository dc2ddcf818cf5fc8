package redact

import (
	"strings"
	"testing"
)

func TestWordsLoseTheirSecretsAndKeepTheirReasons(t *testing.T) {
	for said, want := range map[string]string{
		`dial nats://edge:hunter2@nats:4222: refused`:                 `dial nats://(redacted)@nats:4222: refused`,
		`dial nats://edge:hun@ter2@nats:4222: refused`:                `dial nats://(redacted)@nats:4222: refused`,
		`Get "http://h:8123/?user=a&password=hunter2": EOF`:           `Get "http://h:8123/?user=a&password=(redacted)": EOF`,
		`got {"token":"hunter2"} from it`:                             `got {"token":(redacted)} from it`,
		`password: hunter2 is wrong`:                                  `password: (redacted) is wrong`,
		`Authorization: Bearer hunter2 is not known`:                  `Authorization: Bearer (redacted) is not known`,
		`seed SU` + strings.Repeat("A", 56) + ` is not a user's`:      `seed (redacted) is not a user's`,
		`nats.passwordFile: open /etc/nats/password: no such file`:    `nats.passwordFile: open /etc/nats/password: no such file`,
		`reading Secret edge: no key token`:                           `reading Secret edge: no key token`,
		`listening on udp 0.0.0.0:2055: bind: address already in use`: `listening on udp 0.0.0.0:2055: bind: address already in use`,
	} {
		if got := Words(said); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", said, got, want)
		}
	}
}
