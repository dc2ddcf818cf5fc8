package report_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/flowfleet/flowfleet/kubectl-flowfleet/report"
)

const seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"

func TestTextsLoseTheirSecretsAndKeepTheRest(t *testing.T) {
	for text, want := range map[string]string{
		"connecting to nats://user:hunter2@nats:4222":                                 "connecting to nats://(redacted)@nats:4222",
		"connecting to nats://nats.flows:4222":                                        "connecting to nats://nats.flows:4222",
		`{"msg":"x","password":"hunter2","n":1}`:                                      `{"msg":"x","password":(redacted),"n":1}`,
		"NATS_TOKEN=hunter2 other=1":                                                  "NATS_TOKEN=(redacted) other=1",
		"the seed " + seed + " is wrong":                                              "the seed (redacted) is wrong",
		"jwt eyJ0eXAiOiJKV1QifQ.eyJqdGkiOiJBIn0.c2lnbmF0dXJl end":                     "jwt (redacted) end",
		"a\n-----BEGIN EC PRIVATE KEY-----\nhunter2\n-----END EC PRIVATE KEY-----\nb": "a\n(redacted)\nb",
		"cut -----BEGIN PRIVATE KEY-----\nhunter2":                                    "cut (redacted)",
		`{"msg":"refused {\"password\":\"hunter2\"}","n":1}`:                          `{"msg":"refused {\"password\":(redacted)}","n":1}`,
		"Authorization: Bearer hunter2":                                               "Authorization: (redacted)",
		"sent Bearer hunter2 to it":                                                   "sent Bearer (redacted) to it",
		"nats://user:p@hunter2@nats:4222":                                             "nats://(redacted)@nats:4222",
		"nats://user:p/hunter2@nats:4222":                                             "nats://(redacted)@nats:4222",
		"password: two hunter2\nuser: me":                                             "password: (redacted)\nuser: me",
		`"password": "a\"hunter2"`:                                                    `"password": (redacted)`,
		"run --password hunter2 --user me":                                            "run --password (redacted) --user me",
		"X-Api-Key: hunter2":                                                          "X-Api-Key: (redacted)",
		"--api-key hunter2 --x":                                                       "--api-key (redacted) --x",
		"AWS_ACCESS_KEY=hunter2":                                                      "AWS_ACCESS_KEY=(redacted)",
		"Cookie: session=hunter2; x=1":                                                "Cookie: (redacted)",
		"curl -u me:hunter2 http://x":                                                 "curl -u (redacted) http://x",
		"curl --user=me:hunter2 http://x":                                             "curl --user=(redacted) http://x",
		"curl -u 'me:hunter 2' http://x":                                              "curl -u (redacted) http://x",
		"sort -u file.txt":                                                            "sort -u file.txt",
		"run --user 1000:1000":                                                        "run --user (redacted)",
		"pass: hunter2":                                                               "pass: (redacted)",
		"3 rows passed: 2 bypassed":                                                   "3 rows passed: 2 bypassed",
		"192.0.2.1 sends ipfix":                                                       "192.0.2.1 sends ipfix",
	} {
		if got := report.Text(text); got != want {
			t.Errorf("%q becomes %q, not %q", text, got, want)
		}
	}
}

func TestObjectsLoseTheirSecretsAndKeepTheNamesOfSecrets(t *testing.T) {
	var object map[string]any
	if err := yaml.Unmarshal([]byte(`
metadata:
  name: edge
  annotations: {kubectl.kubernetes.io/last-applied-configuration: hunter2, note: keep-annotation}
  managedFields: [{manager: hunter2}]
spec:
  nats: {urls: ["nats://a:hunter2@nats:4222"], credentialsSecret: keep-secret-name, tls: {secretName: keep-tls-name}}
  containers:
  - env:
    - {name: GOMEMLIMIT, value: keep-limit}
    - {name: MINE, value: hunter2}
    - {name: REF, valueFrom: {secretKeyRef: {name: keep-ref-name, key: keep-key}}}
    password: hunter2
    passwords: [hunter2]
    authorization: hunter2
    args: ["--token=hunter2", "--token", "hunter2", "-u", "me:hunter2", "--api-key", "hunter2", "--user", "keep-user", "keep-arg"]
    volumeAttributes: {accountKey: hunter2, access-key: hunter2}
`), &object); err != nil {
		t.Fatal(err)
	}
	out, err := yaml.Marshal(report.Object(object))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "hunter2") {
		t.Errorf("it still has secrets:\n%s", out)
	}
	for _, kept := range []string{"keep-annotation", "keep-secret-name", "keep-tls-name", "keep-limit", "keep-ref-name", "keep-key", "keep-arg", "keep-user"} {
		if !strings.Contains(string(out), kept) {
			t.Errorf("it lost %s:\n%s", kept, out)
		}
	}
}

func TestAnArchiveListsWhatItHasAndWhatItLacks(t *testing.T) {
	var b bytes.Buffer
	a := report.NewArchive(&b, "flowfleet-flows-edge", time.Unix(1_700_000_000, 0))
	a.AddText("log.txt", []byte("token=hunter2"), nil)
	a.AddText("half.txt", []byte("half"), errors.New("cut off"))
	a.AddText("none.txt", nil, errors.Join(errors.New("forbidden"), errors.New("for ever")))
	a.AddObjects("pod.yaml", []any{&corev1.Pod{Spec: corev1.PodSpec{Volumes: []corev1.Volume{{VolumeSource: corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{SecretName: "keep-secret-name"}}}}, Containers: []corev1.Container{{Env: []corev1.EnvVar{{Name: "A",
		Value: "hunter2"}}}}}}}, nil)
	if err := a.Close("A report."); err != nil {
		t.Fatal(err)
	}
	gz, err := gzip.NewReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for r := tar.NewReader(gz); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(content)
	}
	if files["flowfleet-flows-edge/log.txt"] != "token=(redacted)" || files["flowfleet-flows-edge/half.txt"] != "half" || len(files) != 4 {
		t.Errorf("%q", files)
	}
	if pod := files["flowfleet-flows-edge/pod.yaml"]; strings.Contains(pod, "hunter2") || !strings.Contains(pod, "secretName: keep-secret-name") {
		t.Error(pod)
	}
	if readme := files["flowfleet-flows-edge/README.txt"]; !strings.Contains(readme, "none.txt: forbidden; for ever\n") || !strings.Contains(readme, "half.txt: cut off") {
		t.Error(readme)
	}
}
