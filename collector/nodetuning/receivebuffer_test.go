package nodetuning

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

func TestASettingIsRaisedAndNeverLowered(t *testing.T) {
	for _, test := range []struct {
		about, has string
		least      int64
		want       Change
		left       string
	}{
		{"smaller", "212992\n", 33554432, Change{212992, 33554432}, "33554432"},
		{"equal", "33554432\n", 33554432, Change{33554432, 33554432}, "33554432\n"},
		{"larger", "67108864\n", 33554432, Change{67108864, 67108864}, "67108864\n"},
	} {
		path := filepath.Join(t.TempDir(), "rmem_max")
		if err := os.WriteFile(path, []byte(test.has), 0o600); err != nil {
			t.Fatal(err)
		}
		change, err := raise(path, test.least)
		left, _ := os.ReadFile(path)
		if err != nil || change != test.want || string(left) != test.left {
			t.Errorf("%s: %+v and %q (%v), want %+v and %q", test.about, change, left, err, test.want, test.left)
		}
	}
	for _, has := range []string{"", "many"} {
		path := filepath.Join(t.TempDir(), "rmem_max")
		if err := os.WriteFile(path, []byte(has), 0o600); err != nil {
			t.Fatal(err)
		}
		if change, err := raise(path, 1); err == nil {
			t.Errorf("%q: %+v, and no error", has, change)
		}
	}
}

func TestANodeWhoseNamespaceCannotBeEnteredIsNamed(t *testing.T) {
	if _, err := RaiseReceiveBuffer(t.TempDir(), 1); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// insideVariable has the node's /proc, for the process that stands for a pod.
const insideVariable = "NODETUNING_TEST_HOST_PROC"

// A pod has a network namespace of its own, in which the sysctl cannot be written. Its privileged container can still raise it.
func TestAPodWithANetworkOfItsOwnRaisesTheNodesSysctl(t *testing.T) {
	if hostProc := os.Getenv(insideVariable); hostProc != "" {
		insidePod(t, hostProc)
		return
	}
	alone(t)
	before, err := read(receiveBufferFile)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := os.OpenFile(receiveBufferFile, os.O_WRONLY, 0); err != nil {
		t.Skipf("only root in the node's own network namespace may change the sysctl: %v", err)
	} else {
		_ = f.Close()
	}
	// This process stands for the node's first one, whose namespaces only the strongest may open.
	hostProc := t.TempDir()
	if err := os.MkdirAll(filepath.Join(hostProc, "1", "ns"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(fmt.Sprintf("/proc/%d/ns/net", os.Getpid()), filepath.Join(hostProc, "1", "ns", "net")); err != nil {
		t.Fatal(err)
	}
	pod := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	pod.Env = append(os.Environ(), insideVariable+"="+hostProc)
	pod.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	output, err := pod.CombinedOutput()
	after, _ := read(receiveBufferFile)
	if after == before+1 { // else it is somebody else's meanwhile
		if err := os.WriteFile(receiveBufferFile, []byte(strconv.FormatInt(before, 10)), 0); err != nil {
			t.Error(err)
		}
	}
	if errors.Is(err, syscall.EPERM) {
		t.Skipf("no network namespace can be made here: %v", err)
	}
	if err != nil || after <= before {
		t.Errorf("the sysctl has %d, want %d (%v):\n%s", after, before+1, err, output)
	}
}

// alone waits until no other run of this test changes the machine's sysctl.
func alone(t *testing.T) {
	t.Helper()
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), "flowfleet-nodetuning-test.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lock.Close() })
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
}

func insidePod(t *testing.T, hostProc string) {
	now, err := read(receiveBufferFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(receiveBufferFile, []byte(strconv.FormatInt(now+1, 10)), 0); err == nil {
		t.Fatal("a pod's own network namespace can write the sysctl: nothing is shown")
	}
	change, err := RaiseReceiveBuffer(hostProc, now+1)
	if err != nil || change.After < now+1 {
		t.Errorf("%+v: %v", change, err)
	}
	if again, err := RaiseReceiveBuffer(hostProc, now); err != nil || again.After < now+1 {
		t.Errorf("a second look: %+v: %v", again, err)
	}
}
