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

		`image docker://ghcr.io/x/y:1@sha256:0a1b is gone`:         `image docker://ghcr.io/x/y:1@sha256:0a1b is gone`,
		`image docker://registry:5000/y@sha256:0a1b`:               `image docker://registry:5000/y@sha256:0a1b`,
		`image docker://me:hunter2@ghcr.io/y@sha256:0a1b`:          `image docker://(redacted)@ghcr.io/y@sha256:0a1b`,
		`dial nats://edge:hunter2@sha256:0a1b@nats`:                `dial nats://(redacted)@nats`,
		`dial nats://hunter2@nats:4222, nats://nats:4222`:          `dial nats://(redacted)@nats:4222, nats://nats:4222`,
		`Get "https://example.com/@v/list": EOF`:                   `Get "https://example.com/@v/list": EOF`,
		`failed to fetch oauth token: unexpected status 401`:       `failed to fetch oauth token: unexpected status 401`,
		`failed to fetch oauth token: Unauthorized: unknown realm`: `failed to fetch oauth token: Unauthorized: unknown realm`,
		`token: denied`:                                               `token: denied`,
		`fetching token: EOF`:                                         `fetching token: EOF`,
		`reading password: open /etc/x`:                               `reading password: open /etc/x`,
		`x509: invalid basic constraints`:                             `x509: invalid basic constraints`,
		`Basic authentication is disabled`:                            `Basic authentication is disabled`,
		`Basic Authentication is disabled`:                            `Basic Authentication is disabled`,
		`an exporter is identified by its address`:                    `an exporter is identified by its address`,
		`sent Basic ZWRnZTpodW50ZXI= to it`:                           `sent Basic (redacted) to it`,
		`dial nats://edge:hun'ter2@nats:4222: refused`:                `dial nats://(redacted)@nats:4222: refused`,
		`Get 'http://h:8123/x': EOF`:                                  `Get 'http://h:8123/x': EOF`,
		`'http://h/x' of me@example.com`:                              `'http://h/x' of me@example.com`,
		`X-Api-Key: hunter2`:                                          `X-Api-Key: (redacted)`,
		`GET /x?X-Amz-Signature=hunter2&y=1`:                          `GET /x?X-Amz-Signature=(redacted)`,
		`GET /x?api-key=hunter2`:                                      `GET /x?api-key=(redacted)`,
		`X-ClickHouse-Key: hunter2`:                                   `X-ClickHouse-Key: (redacted)`,
		`CREATE USER a IDENTIFIED BY 'hunter 2' failed`:               `CREATE USER a IDENTIFIED BY (redacted) failed`,
		`IDENTIFIED WITH sha256_password BY 'hun''ter 2' HOST ANY`:    `IDENTIFIED WITH sha256_password BY (redacted) HOST ANY`,
		"secret: hunter\nnkey: hunter-1 or\nseed: hunter-two of edge": "secret: (redacted)\nnkey: (redacted) or\nseed: (redacted) of edge",
		`{"msg":"seed: hunter","n":1}`:                                `{"msg":"seed: (redacted)","n":1}`,
		`token: password: hunter2`:                                    `token: password: (redacted)`,
		`it got {"user":"a","pass":"hunter2","sig":"x-1"}`:            `it got {"user":"a","pass":(redacted),"sig":(redacted)}`,
		`{"msg":"got {\"auth_token\":\"hunter2\",\"tls\":true}"}`:     `{"msg":"got {\"auth_token\":(redacted),\"tls\":true}"}`,
		`it got {"user":"a","pass":"hunt`:                             `it got {"user":"a","pass":(redacted)`,
		`the datagrams do not pass: refused`:                          `the datagrams do not pass: refused`,
		`password: 'a b' is wrong`:                                    `password: (redacted) is wrong`,
		`password='a b' is wrong`:                                     `password=(redacted) is wrong`,
		`{"msg":"password=\"a b\" is wrong"}`:                         `{"msg":"password=(redacted) is wrong"}`,
	} {
		if got := Words(said); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", said, got, want)
		}
	}
}
