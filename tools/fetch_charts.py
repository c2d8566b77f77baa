#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fetch_charts.py OUT.js [NPM]

Writes the chart libraries that `mucmm report` puts into its page: pinned packages, fetched by npm and checked against
the digests below. Without npm or network the file is empty and the build goes on: the page then has tables only.
"""
import base64
import hashlib
import io
import pathlib
import subprocess
import sys
import tarfile
import tempfile

PACKAGES = [  # name, version, file, integrity as npm prints it: npm view NAME@VERSION dist.integrity
    ('vega', '5.33.0', 'build/vega.min.js',
     'sha512-jNAGa7TxLojOpMMMrKMXXBos4K6AaLJbCgGDOw1YEkLRjUkh12pcf65J2lMSdEHjcEK47XXjKiOUVZ8L+MniBA=='),
    ('vega-lite', '5.23.0', 'build/vega-lite.min.js',
     'sha512-l4J6+AWE3DIjvovEoHl2LdtCUkfm4zs8Xxx7INwZEAv+XVb6kR6vIN1gt3t2gN2gs/y4DYTs/RPoTeYAuEg6mA=='),
]


def fetch(npm, folder, name, version, integrity):
    subprocess.run([npm, 'pack', '--silent', '--ignore-scripts', '--fetch-retries=1', '--fetch-timeout=60000',
                    f'{name}@{version}'], cwd=folder, check=True, timeout=180, stdout=subprocess.DEVNULL)
    data = (pathlib.Path(folder) / f'{name}-{version}.tgz').read_bytes()
    digest = 'sha512-' + base64.b64encode(hashlib.sha512(data).digest()).decode()
    if digest != integrity:
        sys.exit(f'fetch_charts.py: {name} {version} has digest {digest}, expected {integrity}')
    return tarfile.open(fileobj=io.BytesIO(data), mode='r:gz')


def library(npm):
    text = ''
    with tempfile.TemporaryDirectory() as folder:
        for name, version, file, integrity in PACKAGES:
            with fetch(npm, folder, name, version, integrity) as tar:
                def read(path):
                    return tar.extractfile('package/' + path).read().decode()
                code = '\n'.join(line for line in read(file).splitlines() if not line.startswith('//# sourceMappingURL'))
                text += f'/* {name} {version}\n{read("LICENSE").replace("*/", "* /")}*/\n{code}\n'
    # inside <script> nothing may end it
    return text.replace('</script', '<\\/script').replace('<!--', '<\\!--')


def main():
    text = ''
    if len(sys.argv) < 3:
        print('No npm: mucmm report will show tables instead of charts')
    else:
        try:
            text = library(sys.argv[2])
        except (OSError, subprocess.SubprocessError) as e:
            print(f'The chart libraries could not be fetched ({e}): mucmm report will show tables instead of charts')
    pathlib.Path(sys.argv[1]).write_text(text)


main()
