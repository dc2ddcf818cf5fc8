// Nothing is built of it: a test reads cert-manager's definition of Certificates.
module github.com/flowfleet/flowfleet/hack/modules/cert-manager

go 1.26.0

require github.com/cert-manager/cert-manager v1.19.1
