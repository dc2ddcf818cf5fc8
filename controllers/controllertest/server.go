// Package controllertest gives tests a real Kubernetes API server: etcd and kube-apiserver as processes, with the project's
// kinds installed. There is no kubelet and no controller but those that a test runs, so a DaemonSet has no pods.
//
// A package has one server for all its tests, which its TestMain ends:
//
//	func TestMain(m *testing.M) { os.Exit(controllertest.Run(m)) }
package controllertest

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
)

// Server is a running API server with the FlowCollector kind.
type Server struct {
	// Config reaches it as an administrator. Tests that change it work on a copy (rest.CopyConfig).
	Config *rest.Config
	// Scheme has the kinds of Kubernetes and of this project.
	Scheme *runtime.Scheme

	environment *envtest.Environment
	directory   string
	kubectl     string
	kubeconfig  string
	reaper      *reaper
}

// shared is the server of the package under test.
var shared struct {
	sync.Mutex
	allowed bool // by Run, which ends the server
	server  *Server
	err     error
}

// Run runs the tests of a package, and ends the server if one of them started it. It returns the code to exit with. What
// controllers log is shown with -v.
func Run(m *testing.M) int {
	flag.Parse()
	logger := logr.Discard()
	if testing.Verbose() {
		logger = logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, nil))
	}
	log.SetLogger(logger)
	klog.SetLogger(logger)
	shared.allowed = true
	code := m.Run()
	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil {
		if err := shared.server.stop(); err != nil {
			fmt.Fprintln(os.Stderr, "controllertest: ending the API server:", err)
			code = max(code, 1)
		}
	}
	return code
}

// Start returns the package's server, which the first call starts. It skips the test where -short is given.
func Start(t testing.TB) *Server {
	t.Helper()
	if testing.Short() {
		t.Skip("needs an API server; run without -short")
	}
	shared.Lock()
	defer shared.Unlock()
	if !shared.allowed {
		t.Fatal("controllertest: this package needs a TestMain that calls controllertest.Run, which ends the API server")
	}
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = start()
	}
	if shared.err != nil {
		t.Fatal("controllertest: ", shared.err)
	}
	return shared.server
}

func start() (_ *Server, err error) {
	assets, err := assets()
	if err != nil {
		return nil, err
	}
	root, err := root()
	if err != nil {
		return nil, err
	}
	s := &Server{Scheme: runtime.NewScheme(), kubectl: filepath.Join(assets, "kubectl")}
	if err := errors.Join(clientgoscheme.AddToScheme(s.Scheme), v1alpha1.AddToScheme(s.Scheme)); err != nil {
		return nil, err
	}
	if s.directory, err = os.MkdirTemp("", "flowfleet-apiserver-"); err != nil {
		return nil, err
	}
	if s.reaper, err = startReaper(s.directory); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.directory))
	}
	existing := false
	s.environment = &envtest.Environment{
		BinaryAssetsDirectory:    assets,
		CRDDirectoryPaths:        []string{filepath.Join(root, "config", "crd", "bases")},
		ErrorIfCRDPathMissing:    true,
		UseExistingCluster:       &existing, // whatever the environment says: tests delete things
		ControlPlaneStartTimeout: 3 * time.Minute,
		ControlPlaneStopTimeout:  time.Minute,
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	api := s.environment.ControlPlane.GetAPIServer()
	api.CertDir = filepath.Join(s.directory, "certificates")
	// envtest's own range has room for 254 Services, and no IPv6.
	api.Configure().Set("service-cluster-ip-range", "10.0.0.0/16,fd00:10::/112")
	// As in OpenShift: whoever names an owner needs the right to set its finalizers.
	api.Configure().Append("enable-admission-plugins", "OwnerReferencesPermissionEnforcement")
	etcd := &envtest.Etcd{DataDir: filepath.Join(s.directory, "etcd")}
	s.environment.ControlPlane.Etcd = etcd
	for _, directory := range []string{api.CertDir, etcd.DataDir} {
		if err := os.Mkdir(directory, 0o700); err != nil {
			return nil, err
		}
	}
	if s.Config, err = s.environment.Start(); err != nil {
		return nil, fmt.Errorf("starting etcd and kube-apiserver of %s: %w", assets, err)
	}
	s.kubeconfig = filepath.Join(s.directory, "kubeconfig")
	if err := os.WriteFile(s.kubeconfig, s.environment.KubeConfig, 0o600); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) stop() error {
	err := s.environment.Stop()
	s.reaper.reap() // what did not end by itself, and the directory
	return err
}

// Client returns a client without a cache. What it writes is owned by "controllertest", unless a call names another owner.
func (s *Server) Client(t testing.TB) client.Client {
	t.Helper()
	c, err := client.New(s.Config, client.Options{Scheme: s.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	return client.WithFieldOwner(c, "controllertest")
}

// User returns the configuration of a user without rights; a test that binds roles to it learns what they allow.
func (s *Server) User(t testing.TB, name string, groups ...string) *rest.Config {
	t.Helper()
	user, err := s.environment.AddUser(envtest.User{Name: name, Groups: groups}, s.Config)
	if err != nil {
		t.Fatal(err)
	}
	return user.Config()
}
