/*
 * An OCSP response, in DER, as an authority gave it: looked at for a certificate
 * that a stranger's is not of.
 */
#include "base/key/ocsp.h"

#include "base/bug.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const char certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBYDCCAQagAwIBAgIBBzAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARsZWZ0MB4X\n"
    "DTI2MTEyOTE4MzUwMFoXDTM2MTEyNjE4MzUwMFowDzENMAsGA1UEAwwEbGVmdDBZ\n"
    "MBMGByqGSM49AgEGCCqGSM49AwEHA0IABG575zybQ3aUuiL+bSBF5KZ24uMk7nkV\n"
    "Xf8NdF0YVPG/OK9UNsurDhk6p5SZLG5YWBbPMM5veBtFAnHOpshpRLWjUzBRMB0G\n"
    "A1UdDgQWBBTVLNnTpsJuMEevETe8FRX/ASV4VDAfBgNVHSMEGDAWgBTVLNnTpsJu\n"
    "MEevETe8FRX/ASV4VDAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUC\n"
    "IDtvH2bB8YM/szinQ8i2bxK2pcVzj2FJpSDwOuFgEQkdAiEArukarpaf41qwMhru\n"
    "9BmRByydI2a2oFjQwG2uOavfVF0=\n"
    "-----END CERTIFICATE-----\n";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct ocsp_view v;

	ocsp_look(slice_of(data, n), SLICE(certificate), &v);
	MUST(v.why == NULL || (!v.revoked && v.until_s == 0));
	ocsp_look(slice_of(data, n), SLICE("none"), &v);
	MUST(v.why != NULL);
	return (0);
}
